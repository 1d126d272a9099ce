-- List the locks that are held, by key.
-- Uses: keys clock bulk
-- ARGV: "-", or "(" and the key after which the page begins; limit.
-- Returns: { key, value (see lib/locks.lua), … }, one more than the limit where there are more.
-- Changes: nothing.
-- Those whose time has run out are passed over.
local limit, found, after = tonumber(ARGV[2]), {}, ARGV[1]
while #found <= 2 * limit do
  local keys = call('ZRANGEBYLEX', LOCK_NAMES, after, '+', 'LIMIT', 0, limit + 1)
  for n, value in ipairs(read('HMGET', LOCKS, keys)) do
    local ends = value and tonumber(string.sub(value, 1, 16))
    if ends and (ends == 0 or ends > now) and #found <= 2 * limit then
      found[#found + 1] = keys[n]
      found[#found + 1] = value
    end
  end
  if #keys <= limit then
    break
  end
  after = '(' .. keys[#keys]
end
return found
