-- Cancel jobs: one that waits ends here and now, a leased one is marked and its worker told by its heartbeat.
-- Uses: keys clock bulk job bell waiting window
-- ARGV: "1" to interrupt those that run, then ids.
-- Returns: ids of those that ended.
-- Changes: leases (the mark); waiting, priorities, retrying, ends, cancelled, queue, wake; what the window forgets.
local ended, by_queue = {}, {}
local wanted = table.remove(ARGV, 1) == '1' and { CANCELLING, HARD } or { CANCELLING }

-- Take one job off its queue; returns when it was due, or false if it did not wait.
local function withdraw(id, queue, priority)
  local key = waiting_key(queue, priority)
  local due = call('ZSCORE', key, id)
  if due then
    call('ZREM', key, id)
    call('ZREM', of_queue('retrying', queue), id)
    close_priority(queue, priority)
  end
  return due
end

local function mark(id, value)
  local flags = lease_of(value).flags
  for _, flag in ipairs(wanted) do
    flags = has(flags, flag) and flags or flags + flag
  end
  call('HSET', LEASES, id, flagged(value, flags))
end

local function finish(id, facts, due)
  local marks = marks_of(call('HGET', MARKS, id))
  local body = cmsgpack.pack({ '', 'cancelled', marks[1], marks[2] })
  call('HSET', ENDS, id, NOW .. stamp(due) .. stamp(0) .. '0' .. body)
  call('ZADD', of_queue('cancelled', facts.queue), NOW, id)
  call('HINCRBY', of_queue('queue', facts.queue), 'cancelled', 1)
  by_queue[facts.queue] = (by_queue[facts.queue] or 0) + 1
  ended[#ended + 1] = id
end

insist()
local headers, leases = read('HMGET', JOBS, ARGV), read('HMGET', LEASES, ARGV)
for n, id in ipairs(ARGV) do
  local facts = headers[n] and describe(headers[n])
  local due = facts and not leases[n] and withdraw(id, facts.queue, facts.priority)
  if leases[n] then
    mark(id, leases[n])
  elseif due then
    finish(id, facts, due)
  end
end
for queue, count in pairs(by_queue) do
  ring_for_rest(queue, false)
  trim('cancelled', queue, share(count))
end
return ended
