-- Forget a flow, its steps and the flows among them.
-- Uses: keys
-- ARGV: id of the flow.
-- Returns: 1 where it was there.
-- Changes: flows, flow, steps, stepresults, members, failedof.
local function forget(id)
  local kind = call('HGET', root .. 'flow:' .. id, 'kind')
  local steps = call('HGETALL', root .. 'steps:' .. id)
  for n = 2, #steps, 2 do
    if cmsgpack.unpack(steps[n])[5] then
      forget(steps[n - 1])
    end
  end
  call('DEL', root .. 'flow:' .. id, root .. 'steps:' .. id, root .. 'stepresults:' .. id)
  call('DEL', root .. 'members:' .. id, root .. 'failedof:' .. id)
  if kind then
    call('ZREM', root .. 'flows:' .. kind, id)
  end
  return kind and 1 or 0
end
return forget(ARGV[1])
