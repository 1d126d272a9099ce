-- Ending leases, and giving leased jobs back to their queues.

local function end_leases(queue, ids)
  bulk('HDEL', LEASES, ids)
  bulk('ZREM', LAPSES, ids)
  bulk('ZREM', of_queue('running', queue), ids)
end

-- Leave out what lost its job or its lease, and end whatever is left of that: only a server that evicts keys makes
-- such, and one must not stop the rest.
local function leave_out_gone(entries)
  local ids, kept, gone = {}, {}, {}
  for n, entry in ipairs(entries) do
    ids[n] = entry.id
  end
  for n, header in ipairs(read('HMGET', JOBS, ids)) do
    entries[n].header = header
    if header and entries[n].lease then
      kept[#kept + 1] = entries[n]
    else
      gone[#gone + 1] = ids[n]
    end
  end
  for _, queue in ipairs(#gone > 0 and call('SMEMBERS', QUEUES) or {}) do
    end_leases(queue, gone)
  end
  return kept
end

-- Let leased jobs wait again. Each entry has id, lease (a value of `leases`), and `change(marks, lease)`, which
-- charges what is to be charged and returns the new due time.
-- Returns the ids that wait again: all but those of which the store lost the job.
local function give_back(entries)
  entries = leave_out_gone(entries)
  local ids, by_queue, marked, unmarked = {}, {}, {}, cmsgpack.pack(marks_of(nil))
  for n, entry in ipairs(entries) do
    ids[n] = entry.id
  end
  local packed = read('HMGET', MARKS, ids)
  for n, entry in ipairs(entries) do
    local facts, lease, marks = describe(entry.header), lease_of(entry.lease), marks_of(packed[n])
    entry.queue, entry.priority = facts.queue, facts.priority
    entry.due = entry.change(marks, lease)
    entry.tried = marks[1] > 0
    marks[7] = marks[7] or has(lease.flags, CANCELLING)
    local repacked = cmsgpack.pack(marks)
    if repacked ~= (packed[n] or unmarked) then
      marked[#marked + 1] = entry.id
      marked[#marked + 1] = repacked
    end
    by_queue[entry.queue] = by_queue[entry.queue] or {}
    table.insert(by_queue[entry.queue], entry.id)
  end
  for queue, its in pairs(by_queue) do
    end_leases(queue, its)
  end
  bulk('HSET', MARKS, marked)
  if call('EXISTS', PROGRESS) == 1 then
    bulk('HDEL', PROGRESS, ids)
  end
  wait_all(entries)
  return ids
end
