-- What happens to flows beside the ends of attempts.

-- Count jobs that ended without an attempt.
local function tell_flows(members)
  local notes = {}
  for n, one in ipairs(members) do
    local flow, role = told_of(one.told)
    notes[n] = { flow = flow, word = 'ended', id = one.id, role = role, state = 4 }
  end
  if #notes > 0 then
    weaver()(notes)
  end
end

-- Cancel what was given back of flows that were stopped meanwhile.
local function sweep_flows(entries)
  local notes, seen = {}, {}
  for _, entry in ipairs(entries) do
    local told = entry.header and describe(entry.header).told
    local flow = told and told_of(told)
    if flow and not seen[flow] then
      seen[flow] = true
      notes[#notes + 1] = { flow = flow, word = 'sweep', role = '' }
    end
  end
  if #notes > 0 then
    weaver()(notes)
  end
end

-- Forget a flow, its steps and the flows among them; returns 1 where it was there.
local function forget_flow(id)
  local kind = call('HGET', root .. 'flow:' .. id, 'kind')
  local steps = call('HGETALL', root .. 'steps:' .. id)
  for n = 2, #steps, 2 do
    if cmsgpack.unpack(steps[n])[5] then
      forget_flow(steps[n - 1])
    end
  end
  call('DEL', root .. 'flow:' .. id, root .. 'steps:' .. id, root .. 'stepresults:' .. id)
  call('DEL', root .. 'members:' .. id, root .. 'failedof:' .. id)
  call('ZREM', root .. 'flowends', id)
  if kind then
    call('ZREM', root .. 'flows:' .. kind, id)
  end
  return kind and 1 or 0
end

-- Forget flows that finished long ago.
local function expire_flows(limit)
  local before = stamp(now - $FLOW_KEPT_S * 1000000)
  for _, id in ipairs(call('ZRANGEBYSCORE', root .. 'flowends', '-inf', before, 'LIMIT', 0, limit)) do
    forget_flow(id)
  end
end
