-- Drop jobs that have ended, the oldest of each queue first.
-- Uses: keys clock bulk job window
-- ARGV: jobs at the most, "(instant" before which they ended or "+inf", how they ended, a queue or none for all.
-- Returns: how many were dropped.
-- Changes: failed, completed, cancelled; all that is kept of the dropped.
local left = tonumber(ARGV[1])
for _, queue in ipairs(ARGV[4] and { ARGV[4] } or call('SMEMBERS', QUEUES)) do
  local key = of_queue(ARGV[3], queue)
  local ids = left > 0 and call('ZRANGEBYSCORE', key, '-inf', ARGV[2], 'LIMIT', 0, left) or {}
  if #ids > 0 then
    call('ZREMRANGEBYRANK', key, 0, #ids - 1)
    drop(ids)
    left = left - #ids
  end
end
return tonumber(ARGV[1]) - left
