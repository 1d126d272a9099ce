-- Give back jobs whose lease ran out, and let what is over end in queues where nobody settles any more.
-- Uses: keys clock bulk job locks bell limits waiting entries release window enter cancel flow flows tell
-- ARGV: jobs at the most.
-- Returns: ids of the jobs given back.
-- Changes: leases, lapses, running, marks, progress, waiting, priorities, retrying, wake, locks; what the window and limits forget; what follows in flows.
local TRIMMED = 100 -- jobs a queue and a call

local function charge(marks, lease)
  if has(lease.flags, STARTED) then
    marks[1], marks[3], marks[8] = marks[1] + 1, marks[3] + 1, '' -- nobody saw why
  else
    marks[4] = marks[4] + 1
  end
  return lease.due
end

insist()
local ids = call('ZRANGEBYSCORE', LAPSES, '-inf', NOW, 'LIMIT', 0, tonumber(ARGV[1]))
local given = {}
if #ids > 0 then
  local entries = {}
  for n, lease in ipairs(read('HMGET', LEASES, ids)) do
    entries[n] = { id = ids[n], lease = lease, change = charge }
  end
  free_exclusive(ids)
  given = give_back(entries)
  sweep_flows(entries)
end
for _, queue in ipairs(call('SMEMBERS', QUEUES)) do
  trim('completed', queue, TRIMMED)
  trim('cancelled', queue, TRIMMED)
end
expire_results(TRIMMED)
expire_locks(TRIMMED)
expire_limits(TRIMMED)
expire_flows(TRIMMED)
return given
