-- Let a paused queue give jobs again.
-- Uses: keys clock bell
-- ARGV: queue.
-- Returns: 1 if it had been paused.
-- Changes: queue, wake.
local was_paused = paused_until(ARGV[1]) and 1 or 0
call('HDEL', of_queue('queue', ARGV[1]), 'paused')
ring(ARGV[1], next_due(ARGV[1]))
return was_paused
