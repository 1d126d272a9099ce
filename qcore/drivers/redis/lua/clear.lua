-- Drop waiting jobs of a queue; leased ones stay.
-- Uses: keys clock bulk job locks bell waiting window
-- ARGV: queue, jobs at the most.
-- Returns: how many were dropped.
-- Changes: waiting, priorities, retrying, wake; locks; all that is kept of the dropped.
local queue, left = ARGV[1], tonumber(ARGV[2])
for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
  local key = waiting_key(queue, priority)
  local ids = left > 0 and call('ZRANGE', key, 0, left - 1) or {}
  if #ids > 0 then
    call('ZREMRANGEBYRANK', key, 0, #ids - 1)
    bulk('ZREM', of_queue('retrying', queue), ids)
    free_unique(ids, read('HMGET', JOBS, ids))
    drop(ids)
    left = left - #ids
  end
  close_priority(queue, priority)
end
ring_for_rest(queue, false)
return tonumber(ARGV[2]) - left
