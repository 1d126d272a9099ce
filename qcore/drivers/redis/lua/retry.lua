-- Put failed jobs back as pending: created now, due now or as is said, nothing charged, their errors kept, past any
-- capacity. A unique one takes its lock again; one whose key another job holds stays where it is.
-- Uses: keys clock bulk job locks bell limits waiting entries window enter cancel flow flows
-- ARGV: msgpack of microseconds from now by id, for those that are to wait; then ids.
-- Returns: the ids put back.
-- Changes: jobs (created), failed, ends, marks, progress, waiting, priorities, wake, locks; what follows in flows.
local delays = cmsgpack.unpack(table.remove(ARGV, 1))
local entries, ids, jobs, notes = {}, {}, {}, {}
insist()

-- Whether the last error of a job says that its flow does not count it.
local function was_excused(id)
  local history = call('HGET', HISTORY, id)
  local failures = history and cmsgpack.unpack(history) or {}
  return #failures > 0 and failures[#failures][7] == true
end

-- Whether a unique job may live, as far as the others of its key go.
local function is_free(lock, id)
  local holder = lock and holder_of(lock[1])
  return not holder or holder.owner == id
end

for n, header in ipairs(read('HMGET', JOBS, ARGV)) do
  local id = ARGV[n]
  local facts = header and describe(header)
  if facts and is_free(facts.lock, id) and call('ZREM', of_queue('failed', facts.queue), id) == 1 then
    ids[#ids + 1] = id
    jobs[#jobs + 1] = id
    jobs[#jobs + 1] = NOW .. string.sub(header, 17)
    entries[#entries + 1] = { id = id, queue = facts.queue, priority = facts.priority, due = now + (delays[id] or 0) }
    if facts.told then
      local flow, role = told_of(facts.told)
      notes[#notes + 1] = { flow = flow, word = 'retried', id = id, role = role, state = 3, excused = was_excused(id) }
      call('SADD', root .. 'members:' .. flow, id)
    end
    if facts.lock then
      take_lock(facts.lock[1], id, facts.lock[2], facts.lock[3])
    end
  end
end
bulk('HDEL', ENDS, ids)
bulk('HDEL', MARKS, ids)
bulk('HDEL', PROGRESS, ids)
bulk('HSET', JOBS, jobs)
wait_all(entries)
if #notes > 0 then
  weaver()(notes)
end
return ids
