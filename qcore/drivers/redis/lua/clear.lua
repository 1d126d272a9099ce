-- Drop waiting jobs of a queue; leased ones stay.
-- Uses: keys clock bulk job locks bell waiting window enter cancel flow flows tell
-- ARGV: queue, jobs at the most.
-- Returns: how many were dropped.
-- Changes: waiting, priorities, retrying, wake; locks; all that is kept of the dropped; what follows in flows.
local queue, left = ARGV[1], tonumber(ARGV[2])
local members = {}
insist()
for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
  local key = waiting_key(queue, priority)
  local ids = left > 0 and call('ZRANGE', key, 0, left - 1) or {}
  if #ids > 0 then
    call('ZREMRANGEBYRANK', key, 0, #ids - 1)
    bulk('ZREM', of_queue('retrying', queue), ids)
    local headers = read('HMGET', JOBS, ids)
    free_unique(ids, headers)
    for n, header in ipairs(headers) do
      local told = header and describe(header).told
      if told then
        members[#members + 1] = { id = ids[n], told = told }
      end
    end
    drop(ids)
    left = left - #ids
  end
  close_priority(queue, priority)
end
ring_for_rest(queue, false)
tell_flows(members)
return tonumber(ARGV[2]) - left
