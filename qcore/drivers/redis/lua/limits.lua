-- List the limits by which jobs started of late, by key.
-- Uses: keys clock bulk
-- ARGV: "-", or "(" and the key after which the page begins; limits at the most.
-- Returns: the instant, then key, value (see lib/limits.lua), …
-- Changes: nothing.
local keys = call('ZRANGEBYLEX', LIMIT_NAMES, ARGV[1], '+', 'LIMIT', 0, tonumber(ARGV[2]))
local found = { NOW }
for n, value in ipairs(read('HMGET', LIMITS, keys)) do
  if value then
    found[#found + 1] = keys[n]
    found[#found + 1] = value
  end
end
return found
