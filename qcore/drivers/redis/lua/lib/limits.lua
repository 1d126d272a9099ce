-- When a limit lets the next job start: `qcore/limits.py` in Lua, function by function; a test compares them.
-- A value of `limits` is msgpack [strategy, most, window, starts, plan], as there; one of `slots` is
--   instant (16) · bits of the limits in which the job has its slot · " " · msgpack [their keys]
local SLIDING, FIXED, TOKENS = 0, 1, 2
local EXACT, MARGIN, LONGEST_MARGIN_US = $EXACT, $MARGIN, $LONGEST_MARGIN_US
local LATE_US = $LATE_US
local SLOT_KEPT_US, SHUT_REASON = $SLOT_KEPT_US, '$SHUT_REASON'

local function step_of(state)
  return math.ceil(state.window / state.most)
end

local function sliding(state, track)
  local held = 0
  for n = #track - 1, 1, -2 do
    if track[n] + state.window <= now then
      break
    end
    held = held + track[n + 1]
    if held >= state.most then
      return track[n] + state.window
    end
  end
  return now
end

-- When the next one fits into a track; now if that is now.
local function earliest(state, track)
  if #track == 0 then
    return now
  end
  if state.strategy == SLIDING then
    return math.max(now, sliding(state, track))
  end
  if state.strategy == FIXED then
    return math.max(now, track[2] < state.most and track[1] or track[1] + state.window)
  end
  local burst = state.strategy == TOKENS and state.most or 1
  return math.max(now, track[1] - (burst - 1) * step_of(state))
end

local function note_sliding(state, track, at)
  if state.most > EXACT then
    local grain = math.ceil(state.window / EXACT)
    at = at + math.fmod(grain - math.fmod(at, grain), grain)
  end
  if #track > 0 and track[#track - 1] >= at then
    track[#track] = track[#track] + 1
  else
    track[#track + 1] = at
    track[#track + 1] = 1
  end
  local held = 0
  for n = #track - 1, 1, -2 do
    held = held + track[n + 1]
    if held >= state.most then
      local kept = {}
      for k = n, #track do
        kept[#kept + 1] = track[k]
      end
      return kept
    end
  end
  return track
end

-- Put one more into a track; returns what it is then.
local function noted(state, track, at)
  if state.strategy == SLIDING then
    return note_sliding(state, track, at)
  end
  if state.strategy == FIXED then
    local began = at - math.fmod(at, state.window)
    if #track == 0 or track[1] < began then
      return { began, 1 }
    elseif track[2] < state.most then
      return { track[1], track[2] + 1 }
    end
    return { track[1] + state.window, 1 }
  end
  return { math.max(track[1] or 0, at) + step_of(state) }
end

local function margin_of(state)
  if state.strategy == FIXED then
    return 0
  end
  local apart = state.strategy == SLIDING and state.window or step_of(state)
  return math.min(math.floor(apart / MARGIN), LONGEST_MARGIN_US)
end

-- From when on nothing of it matters any more.
local function over(state)
  local last = 0
  for _, track in ipairs({ state.starts, state.plan }) do
    local at = track[state.strategy == SLIDING and #track - 1 or 1]
    last = math.max(last, at or 0)
  end
  return last + state.window
end

-- What is known of a limit, by its figures of today.
local function state_of(limit)
  local packed = call('HGET', LIMITS, limit.key)
  local known = packed and cmsgpack.unpack(packed)
  if not known or known[1] ~= limit.strategy or known[3] ~= limit.window then
    known = { limit.strategy, limit.most, limit.window, {}, {} }
  end
  return { strategy = limit.strategy, most = limit.most, window = limit.window, starts = known[4], plan = known[5] }
end

local function keep(limit, state)
  call('HSET', LIMITS, limit.key, cmsgpack.pack({ state.strategy, state.most, state.window, state.starts, state.plan }))
  call('ZADD', LIMIT_NAMES, 0, limit.key)
  call('ZADD', LIMIT_ENDS, stamp(over(state)), limit.key)
end

-- Whether a job was promised a slot in the limit of that number, and comes for it in time.
local function holds(slot, number, limit)
  return slot ~= nil and has(slot.bound, 2 ^ (number - 1)) and now <= slot.at + math.max(limit.window, LATE_US)
end

local function read_slot(value)
  local bits = string.match(value, '^%d+', 17)
  local keys = string.sub(value, 18 + #bits)
  return {
    at = tonumber(string.sub(value, 1, 16)), bound = tonumber(bits), keys = keys ~= '' and cmsgpack.unpack(keys) or {},
  }
end

local function slot_of(id)
  local value = call('HGET', SLOTS, id)
  return value and read_slot(value) or nil
end

local function promise(id, slot)
  call('HSET', SLOTS, id, stamp(slot.at) .. string.format('%.0f', slot.bound) .. ' ' .. cmsgpack.pack(slot.keys))
  call('ZADD', SLOT_ENDS, stamp(slot.at), id)
end

local function redeem(id)
  call('HDEL', SLOTS, id)
  call('ZREM', SLOT_ENDS, id)
end

-- Let a queue give no jobs until then, unless it is paused; its own limit is used up.
local function shut(queue, until_us)
  if until_us > now and not paused_until(queue) then
    call('HSET', of_queue('queue', queue), 'paused', stamp(until_us) .. '1' .. SHUT_REASON)
    call('DEL', of_queue('wake', queue))
  end
end

-- Let a job start by all its limits, or send it away; returns nil, or how long to wait: then it has a slot. One that
-- asks ahead and could start is left, and told 0.
local function start_by(id, limits, ahead)
  local slot, states, opens, turns, bound, due = slot_of(id), {}, {}, {}, {}, now
  for n, limit in ipairs(limits) do
    local state = state_of(limit)
    states[n], bound[n], opens[n] = state, holds(slot, n, limit), earliest(state, state.starts)
    turns[n] = bound[n] and opens[n] or math.max(opens[n], earliest(state, state.plan))
    due = math.max(due, turns[n])
  end
  local starts, taken, keys = due <= now, 0, {}
  if starts and ahead then
    return 0
  end
  for n, state in ipairs(states) do
    if starts then
      state.starts = noted(state, state.starts, now)
      state.plan = bound[n] and state.plan or noted(state, state.plan, now)
    elseif turns[n] > now and not bound[n] then
      turns[n] = turns[n] + margin_of(state)
      state.plan = noted(state, state.plan, turns[n])
      due = math.max(due, turns[n])
    end
    if turns[n] > now or bound[n] then
      taken = taken + 2 ^ (n - 1)
      keys[#keys + 1] = limits[n].key
    end
    keep(limits[n], state)
  end
  if starts then
    if slot then
      redeem(id)
    end
    return nil
  end
  promise(id, { at = due, bound = taken, keys = keys })
  for n, limit in ipairs(limits) do
    if limit.queue ~= '' then
      shut(limit.queue, opens[n])
    end
  end
  return due - now
end

-- Let limits, given as a set of keys, have given out nothing but the slots that there are, beside what began.
local function replan(keys)
  local given = {}
  local all = next(keys) and call('HGETALL', SLOTS) or {}
  for n = 2, #all, 2 do
    local slot = read_slot(all[n])
    for _, key in ipairs(slot.keys) do
      if keys[key] then
        given[key] = given[key] or {}
        table.insert(given[key], slot.at)
      end
    end
  end
  for key in pairs(keys) do
    local packed = call('HGET', LIMITS, key)
    local known = packed and cmsgpack.unpack(packed)
    if known then
      local state = { strategy = known[1], most = known[2], window = known[3], starts = known[4], plan = {} }
      for n, us in ipairs(state.starts) do
        state.plan[n] = us
      end
      table.sort(given[key] or {})
      for _, at in ipairs(given[key] or {}) do
        state.plan = noted(state, state.plan, at)
      end
      keep({ key = key }, state)
    end
  end
end

-- Let others have the slots of jobs that will not come for them.
local function give_back_slots(ids)
  local keys = {}
  for n, value in ipairs(read_rare(SLOTS, ids)) do
    if value then
      redeem(ids[n])
      for _, key in ipairs(read_slot(value).keys) do
        keys[key] = true
      end
    end
  end
  replan(keys)
end

-- Give back all slots of a limit that holds no more; returns whose it were, of those that wait for it alone.
local function lift_limit(lifted)
  local ids, all = {}, call('HGETALL', SLOTS)
  for n = 1, #all, 2 do
    local slot, kept = read_slot(all[n + 1]), {}
    for _, key in ipairs(slot.keys) do
      if key ~= lifted then
        kept[#kept + 1] = key
      end
    end
    if #kept == 0 and #slot.keys > 0 then
      ids[#ids + 1] = all[n]
      redeem(all[n])
    elseif #kept < #slot.keys then
      slot.keys = kept
      promise(all[n], slot)
    end
  end
  replan({ [lifted] = true })
  return ids
end

-- Forget what does not matter any more; at the most `limit` of each.
local function expire_limits(limit)
  for _, key in ipairs(call('ZRANGEBYSCORE', LIMIT_ENDS, '-inf', NOW, 'LIMIT', 0, limit)) do
    call('HDEL', LIMITS, key)
    call('ZREM', LIMIT_NAMES, key)
    call('ZREM', LIMIT_ENDS, key)
  end
  for _, id in ipairs(call('ZRANGEBYSCORE', SLOT_ENDS, '-inf', stamp(now - SLOT_KEPT_US), 'LIMIT', 0, limit)) do
    redeem(id)
  end
end
