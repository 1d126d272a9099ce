-- Read what is said of the limits of queues.
-- Uses: keys
-- ARGV: queues.
-- Returns: for each: definition (msgpack) and the word of an operator (msgpack), each "" where there is none.
-- Changes: nothing.
local said = {}
for n, queue in ipairs(ARGV) do
  local found = call('HMGET', of_queue('queue', queue), 'definition', 'limit')
  said[2 * n - 1], said[2 * n] = found[1] or '', found[2] or ''
end
return said
