-- Drop waiting jobs of a queue; leased ones stay.
-- Uses: keys clock bulk job dropped locks bell limits waiting window enter cancel flow flows tell
-- ARGV: queue, jobs at the most, the token under which they are kept for a day or "".
-- Returns: how many were dropped.
-- Changes: waiting, priorities, retrying, wake; locks, slots, slotends, limits; dropped; all that is kept of the dropped; what follows in flows.
local queue, left = ARGV[1], tonumber(ARGV[2])
local members = {}

-- The first that wait under a key: their ids, and when each is due.
local function first_of(key, number)
  local ids, dues = {}, {}
  local found = number > 0 and call('ZRANGE', key, 0, number - 1, 'WITHSCORES') or {}
  for n = 1, #found, 2 do
    ids[#ids + 1], dues[#dues + 1] = found[n], tonumber(found[n + 1])
  end
  return ids, dues
end

insist()
for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
  local key = waiting_key(queue, priority)
  local ids, dues = first_of(key, left)
  if #ids > 0 then
    call('ZREMRANGEBYRANK', key, 0, #ids - 1)
    bulk('ZREM', of_queue('retrying', queue), ids)
    local headers = read('HMGET', JOBS, ids)
    keep_dropped(ARGV[3], ids, headers, dues)
    free_unique(ids, headers)
    give_back_slots(ids)
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
