-- Keep the word of an operator on a queue's own limit, and let the queue give jobs that only the old one kept back.
-- Uses: keys clock bell
-- ARGV: queue, limit (msgpack).
-- Changes: queues, queue, wake.
local key = of_queue('queue', ARGV[1])
call('SADD', QUEUES, ARGV[1])
call('HSET', key, 'limit', ARGV[2])
local pause = call('HGET', key, 'paused')
if pause and string.sub(pause, 17) == '1$SHUT_REASON' then
  call('HDEL', key, 'paused')
  ring(ARGV[1], next_due(ARGV[1]))
end
