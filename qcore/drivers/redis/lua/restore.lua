-- Bring back what was dropped under a token, as new jobs: nothing charged, no errors kept, past any capacity. What
-- belonged to a flow, whose id is in use, or whose lock another job holds stays as it is.
-- Uses: keys clock bulk job payload dropped locks bell waiting entries
-- ARGV: token, where to go on ("0" at first), about how many to look at.
-- Returns: where to go on ("0" when that was all), the ids brought back; those of a flow, those in use, those locked.
-- Changes: dropped, jobs, payloads, waiting, priorities, wake, locks.
local key = dropped_key(ARGV[1])
local cursor, found = unpack(call('HSCAN', key, ARGV[2], 'COUNT', ARGV[3]))
local ids, values, of_flow, in_use, locked = {}, {}, {}, {}, {}
for n = 1, #found, 2 do
  ids[#ids + 1], values[#values + 1] = found[n], found[n + 1]
end
local done, entries, jobs, payloads, seen = {}, {}, {}, {}, {}

-- Which list a job belongs to that stays dropped; nil where it may come back.
local function refusal(is_there, facts)
  if facts.told then
    return of_flow
  end
  if is_there then
    return in_use
  end
  return facts.lock and holder_of(facts.lock[1]) and locked or nil
end

local function bring_back(id, value, facts)
  local header = string.sub(value, DUE + 1)
  local size = facts_end(header)
  if string.byte(header, 17) == APART then
    payloads[#payloads + 1] = id
    payloads[#payloads + 1] = string.sub(header, size + 1)
    header = string.sub(header, 1, size)
  end
  jobs[#jobs + 1] = id
  jobs[#jobs + 1] = NOW .. string.sub(header, 17)
  entries[#entries + 1] = {
    id = id, queue = facts.queue, priority = facts.priority, due = tonumber(string.sub(value, 1, DUE)),
  }
  if facts.lock then
    take_lock(facts.lock[1], id, facts.lock[2], facts.lock[3])
  end
  done[#done + 1] = id
end

for n, header in ipairs(read('HMGET', JOBS, ids)) do
  local id = ids[n]
  if not seen[id] then
    seen[id] = true
    local facts = describe(string.sub(values[n], DUE + 1))
    local list = refusal(header, facts)
    if list then
      list[#list + 1] = id
    else
      bring_back(id, values[n], facts)
    end
  end
end
bulk('HSET', JOBS, jobs)
bulk('HSET', PAYLOADS, payloads)
bulk('HDEL', key, done)
wait_all(entries)
return { cursor, done, of_flow, in_use, locked }
