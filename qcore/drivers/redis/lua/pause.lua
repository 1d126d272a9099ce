-- Let a queue give no jobs.
-- Uses: keys clock
-- ARGV: queue, microseconds from now or "" for ever, "1" and reason, or "0" and "".
-- Returns: 1 if that changed anything.
-- Changes: queues, queue, wake.
local key = of_queue('queue', ARGV[1])
local ends = ARGV[2] == '' and stamp(0) or stamp(now + tonumber(ARGV[2]))
local pause, before = ends .. ARGV[3] .. ARGV[4], call('HGET', key, 'paused')
call('DEL', of_queue('wake', ARGV[1]))
call('SADD', QUEUES, ARGV[1])
call('HSET', key, 'paused', pause)
return pause == before and 0 or 1
