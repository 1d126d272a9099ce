-- Cancel jobs: one that waits ends here and now, a leased one is marked and its worker told by its heartbeat.
-- Uses: keys clock bulk job locks bell limits waiting window enter cancel flow flows tell
-- ARGV: "1" to interrupt those that run, then ids.
-- Returns: ids of those that ended.
-- Changes: leases (the mark); waiting, priorities, retrying, ends, cancelled, queue, wake; locks; what the window
--   forgets; what follows in flows.
local ended, by_queue, members = {}, {}, {}
local wanted = table.remove(ARGV, 1) == '1' and { CANCELLING, HARD } or { CANCELLING }

local function mark(id, value)
  local flags = lease_of(value).flags
  for _, flag in ipairs(wanted) do
    flags = has(flags, flag) and flags or flags + flag
  end
  call('HSET', LEASES, id, flagged(value, flags))
end

insist()
local headers, leases = read('HMGET', JOBS, ARGV), read('HMGET', LEASES, ARGV)
for n, id in ipairs(ARGV) do
  local facts = headers[n] and describe(headers[n])
  local due = facts and not leases[n] and withdraw(id, facts.queue, facts.priority)
  if leases[n] then
    mark(id, leases[n])
  elseif due then
    finish_cancelled(id, facts, due)
    by_queue[facts.queue] = (by_queue[facts.queue] or 0) + 1
    ended[#ended + 1] = id
    if facts.told then
      members[#members + 1] = { id = id, told = facts.told }
    end
  end
end
after_cancelling(by_queue)
tell_flows(members)
return ended
