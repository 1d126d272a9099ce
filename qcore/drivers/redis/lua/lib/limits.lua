-- When a limit lets the next job start: `qcore/limits.py` in Lua, function by function; a test compares them.
-- A value of `limits` is msgpack [strategy, most, window, starts, plan], as there; one of `slots` is
--   instant (16) · bits of the limits in which the job has its slot · " " · msgpack [their keys]
local SLIDING, FIXED, TOKENS = 0, 1, 2
local EXACT, MARGIN, LONGEST_MARGIN_US = $EXACT, $MARGIN, $LONGEST_MARGIN_US
local LATE_US = $LATE_US
local TRACKS = { 'starts', 'plan' }
local SLOT_KEPT_US, SHUT_REASON = $SLOT_KEPT_US, '$SHUT_REASON'

local function step_of(state)
  return math.ceil(state.window / state.most)
end

-- How many a track of a sliding window holds, all together.
local function held_by(track)
  local held = 0
  for n = 2, #track, 2 do
    held = held + track[n]
  end
  return held
end

-- Leave out of a track of a sliding window all before its place n.
local function cut(state, name, n)
  local track, kept = state[name], {}
  for k = n, #track do
    kept[#kept + 1] = track[k]
  end
  state[name], state.held[name] = kept, held_by(kept)
end

-- Leave out what is no window's any more.
local function drop_past(state)
  for _, name in ipairs(state.strategy == SLIDING and TRACKS or {}) do
    local track, n = state[name], 1
    while n < #track and track[n] + state.window <= now do
      n = n + 2
    end
    if n > 1 then
      cut(state, name, n)
    end
  end
end

-- The place from which on a track of a sliding window holds as many as one may; nil where all of it holds fewer.
local function full_from(state, name)
  local track, held = state[name], 0
  if state.held[name] < state.most then
    return nil
  end
  for n = #track - 1, 1, -2 do
    held = held + track[n + 1]
    if held >= state.most then
      return n
    end
  end
end

-- When the next one fits into a track; now if that is now.
local function earliest(state, name)
  local track = state[name]
  if #track == 0 then
    return now
  end
  if state.strategy == SLIDING then
    local n = full_from(state, name)
    return n and math.max(now, track[n] + state.window) or now
  end
  if state.strategy == FIXED then
    return math.max(now, track[2] < state.most and track[1] or track[1] + state.window)
  end
  local burst = state.strategy == TOKENS and state.most or 1
  return math.max(now, track[1] - (burst - 1) * step_of(state))
end

local function note_sliding(state, name, at)
  local track = state[name]
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
  state.held[name] = state.held[name] + 1
  local n = full_from(state, name)
  if n and n > 1 then
    cut(state, name, n)
  end
end

-- Put one more into a track.
local function note(state, name, at)
  local track = state[name]
  if state.strategy == SLIDING then
    note_sliding(state, name, at)
  elseif state.strategy == FIXED then
    local began = at - math.fmod(at, state.window)
    if #track == 0 or track[1] < began then
      state[name] = { began, 1 }
    elseif track[2] < state.most then
      state[name] = { track[1], track[2] + 1 }
    else
      state[name] = { track[1] + state.window, 1 }
    end
  else
    state[name] = { math.max(track[1] or 0, at) + step_of(state) }
  end
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

-- The limits that were read, by key, each as it is by now: `keep_limits` writes those that changed.
local known_limits = {}

local function as_state(strategy, most, window, starts, plan)
  local held = strategy == SLIDING and { starts = held_by(starts), plan = held_by(plan) }
  return { strategy = strategy, most = most, window = window, starts = starts, plan = plan, held = held }
end

local function read_limit(key)
  if known_limits[key] == nil then
    local packed = call('HGET', LIMITS, key)
    known_limits[key] = packed and as_state(unpack(cmsgpack.unpack(packed))) or false
  end
  return known_limits[key]
end

-- What is known of a limit, by its figures of today.
local function state_of(limit)
  local state = read_limit(limit.key)
  if not state or state.strategy ~= limit.strategy or state.window ~= limit.window then
    state = as_state(limit.strategy, limit.most, limit.window, {}, {})
  end
  state.most = limit.most
  drop_past(state)
  return state
end

local function keep(key, state)
  known_limits[key], state.is_changed = state, true
end

local function keep_limits()
  for key, state in pairs(known_limits) do
    if state and state.is_changed then
      call('HSET', LIMITS, key, cmsgpack.pack({ state.strategy, state.most, state.window, state.starts, state.plan }))
      call('ZADD', LIMIT_NAMES, 0, key)
      call('ZADD', LIMIT_ENDS, stamp(over(state)), key)
    end
  end
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
    states[n], bound[n], opens[n] = state, holds(slot, n, limit), earliest(state, 'starts')
    turns[n] = bound[n] and opens[n] or math.max(opens[n], earliest(state, 'plan'))
    due = math.max(due, turns[n])
  end
  local starts, taken, keys = due <= now, 0, {}
  if starts and ahead then
    return 0
  end
  for n, state in ipairs(states) do
    if starts then
      note(state, 'starts', now)
      if not bound[n] then
        note(state, 'plan', now)
      end
    elseif turns[n] > now and not bound[n] then
      turns[n] = turns[n] + margin_of(state)
      note(state, 'plan', turns[n])
      due = math.max(due, turns[n])
    end
    if turns[n] > now or bound[n] then
      taken = taken + 2 ^ (n - 1)
      keys[#keys + 1] = limits[n].key
    end
    keep(limits[n].key, state)
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
    local state = read_limit(key)
    if state then
      state.plan = {}
      for n, us in ipairs(state.starts) do
        state.plan[n] = us
      end
      if state.held then
        state.held.plan = state.held.starts
      end
      table.sort(given[key] or {})
      for _, at in ipairs(given[key] or {}) do
        note(state, 'plan', at)
      end
      keep(key, state)
    end
  end
  keep_limits()
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
