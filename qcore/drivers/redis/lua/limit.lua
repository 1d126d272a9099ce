-- Keep the word of an operator on a queue's own limit, and let go what only the old one kept back: the queue, and jobs.
-- Uses: keys clock bulk job bell limits waiting entries putting_off
-- ARGV: queue, limit (msgpack), the key of the old limit or "".
-- Changes: queues, queue, wake; slots, slotends, limits; waiting, retrying.
insist()
local key = of_queue('queue', ARGV[1])
call('SADD', QUEUES, ARGV[1])
call('HSET', key, 'limit', ARGV[2])
local pause = call('HGET', key, 'paused')
if pause and string.sub(pause, 17) == '1$SHUT_REASON' then
  call('HDEL', key, 'paused')
  ring(ARGV[1], next_due(ARGV[1]))
end
if ARGV[3] ~= '' then
  put_off(lift_limit(ARGV[3]), 0)
end
