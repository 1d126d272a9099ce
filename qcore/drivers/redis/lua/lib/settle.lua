-- Ends of attempts. They come in groups of one outcome and one queue, in ARGV:
--   outcome, queue, number; then for each: id, token, body
-- where body is msgpack [token, outcome, attempts, exceptions, then runtime in seconds and error, or, for
-- "released", the delay in microseconds, the runtime and the measure].

-- Whether that token already ended the job's attempt in that way.
local function was_ended_so(id, token, outcome)
  local ending = call('HGET', ENDS, id)
  if ending then
    local body = cmsgpack.unpack(string.sub(ending, END_BODY))
    return body[1] == token and body[2] == outcome
  end
  local marks = marks_of(call('HGET', MARKS, id))
  return marks[5] == token and marks[6] == outcome
end

-- Which of a group hold their lease: their ids, leases and bodies. `reply.applied` learns these, `reply.refused`
-- the positions of the refused.
local function accept(group, reply)
  local ids, n = {}, 0
  for at = group.first, group.last, 3 do
    n = n + 1
    ids[n] = ARGV[at]
  end
  local leases = read('HMGET', LEASES, ids)
  local held, its_leases, bodies, m = {}, {}, {}, 0
  for k, id in ipairs(ids) do
    local at = group.first + 3 * (k - 1)
    if leases[k] and string.sub(leases[k], LEASE_TOKEN) == ARGV[at + 1] and not reply.applied[id] then
      m = m + 1
      held[m], its_leases[m], bodies[m] = id, leases[k], ARGV[at + 2]
      reply.applied[id], reply.count = leases[k], reply.count + 1
    elseif not was_ended_so(id, ARGV[at + 1], group.outcome) then
      reply.refused[#reply.refused + 1] = group.offset + k
    end
  end
  return held, its_leases, bodies
end

-- End jobs of one queue for good; `view` is the outcome's own list.
local function finish(view, queue, ids, leases, bodies)
  local ends, shown, gone, n = {}, {}, {}, 0
  for k, id in ipairs(ids) do
    local kept = string.sub(leases[k], 1, LEASE_TOKEN - 1)
    ends[n + 1], ends[n + 2] = id, NOW .. kept .. bodies[k]
    shown[n + 1], shown[n + 2] = NOW, id
    n = n + 2
    local flags = string.byte(kept, -1)
    if flags >= 52 and (flags < 56 or flags >= 60) then -- "4", LARGE; those from "8" to ";" are HARD without it
      gone[#gone + 1] = id
    end
  end
  end_leases(queue, ids)
  bulk('HSET', ENDS, ends)
  bulk('ZADD', of_queue(view, queue), shown)
  if view ~= 'failed' then
    bulk('HDEL', PAYLOADS, gone)
    call('HINCRBY', of_queue('queue', queue), view, #ids)
    trim(view, queue, share(#ids))
  end
end

-- Let the jobs of a group wait for another attempt.
local function release(ids, leases, bodies)
  local entries = {}
  for k, id in ipairs(ids) do
    local body = cmsgpack.unpack(bodies[k])
    entries[k] = { id = id, lease = leases[k], change = function(marks, lease)
      marks[1], marks[2], marks[5], marks[6] = body[3], body[4], body[1], body[2]
      if body[5] >= 0 then
        marks[8] = '' -- it has run since: a job handed back has not
      end
      return body[5] < 0 and lease.due or now + body[5]
    end }
  end
  give_back(entries)
end

-- What comes with some of the settlements, after the groups: histories (id, bytes), results (id, microseconds to
-- keep, bytes), pushes (id, number of groups, groups), locks to be freed (id, key, "1" if it was held for the lease
-- alone) and what they mean to flows (msgpack [flow, role, state, excused, result, error, microseconds, growth], number
-- of ids, ids); each list begins with its length. Last comes what all of them add to the measures.
local function keep_histories(at, applied)
  local kept = {}
  for k = at + 1, at + 2 * tonumber(ARGV[at]), 2 do
    if applied[ARGV[k]] then
      kept[#kept + 1] = ARGV[k]
      kept[#kept + 1] = ARGV[k + 1]
    end
  end
  bulk('HSET', HISTORY, kept)
  return at + 1 + 2 * tonumber(ARGV[at])
end

local function keep_results(at, applied)
  local kept, expiries = {}, {}
  for k = at + 1, at + 3 * tonumber(ARGV[at]), 3 do
    if applied[ARGV[k]] then
      local expiry = stamp(now + tonumber(ARGV[k + 1]))
      kept[#kept + 1] = ARGV[k]
      kept[#kept + 1] = expiry .. ARGV[k + 2]
      expiries[#expiries + 1] = expiry
      expiries[#expiries + 1] = ARGV[k]
    end
  end
  bulk('HSET', RESULTS, kept)
  bulk('ZADD', EXPIRIES, expiries)
  return at + 1 + 3 * tonumber(ARGV[at])
end

local function push_what_follows(at, applied)
  local following, count = {}, tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    local id, groups = ARGV[at], nil
    groups, at = read_groups(at + 2, tonumber(ARGV[at + 1]))
    if applied[id] then
      for _, group in ipairs(groups) do
        following[#following + 1] = group
      end
    end
  end
  mark_new(following)
  enter(following) -- whatever the capacity: a chain must not break for want of room
  return at
end

local function free_locks(at, applied)
  local after = at + 1 + 3 * tonumber(ARGV[at])
  for k = at + 1, after - 1, 3 do
    if applied[ARGV[k]] then
      free_lock(ARGV[k + 1], ARGV[k])
      if ARGV[k + 2] == '1' then
        call('HDEL', EXCLUSIVE, ARGV[k])
      end
    end
  end
  return after
end

local function count_in_flows(at, applied)
  local notes, groups = {}, tonumber(ARGV[at])
  at = at + 1
  for _ = 1, groups do
    local kind, after = cmsgpack.unpack(ARGV[at]), at + 2 + tonumber(ARGV[at + 1])
    for k = at + 2, after - 1 do
      if applied[ARGV[k]] then
        notes[#notes + 1] = {
          flow = kind[1], word = 'ended', id = ARGV[k], role = kind[2], state = kind[3], excused = kind[4],
          result = kind[5], error = kind[6], runtime = kind[7], growth = kind[8],
        }
      end
    end
    at = after
  end
  if #notes > 0 then
    weaver()(notes)
  end
  return at
end

-- Apply the settlements that begin at ARGV[at]; returns the positions (from 1) of the refused, and what follows.
local function settle(at)
  local reply, offset, total = { refused = {}, applied = {}, count = 0 }, 0, tonumber(ARGV[at])
  local first = at
  at = at + 1
  for _ = 1, total do
    local count = tonumber(ARGV[at + 2])
    local group = { outcome = ARGV[at], offset = offset, first = at + 3, last = at + 3 * count }
    local queue, ids, leases, bodies = ARGV[at + 1], accept(group, reply)
    if #ids > 0 and group.outcome == 'released' then
      release(ids, leases, bodies)
    elseif #ids > 0 then
      finish(group.outcome, queue, ids, leases, bodies)
    end
    offset, at = offset + count, at + 3 + 3 * count
  end
  at = keep_histories(at, reply.applied)
  at = keep_results(at, reply.applied)
  at = push_what_follows(at, reply.applied)
  at = free_locks(at, reply.applied)
  at = count_in_flows(at, reply.applied)
  if ARGV[at] ~= '' and reply.count > 0 then
    add_measures(reply.count == offset and cmsgpack.unpack(ARGV[at]) or measures_of(first, reply.applied))
  end
  at = at + 1
  expire_results(share(offset))
  return reply.refused, at
end
