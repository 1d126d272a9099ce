-- Store flows, their steps and first members, or add steps and members to a flow that is there.
-- Uses: keys clock bulk job locks bell limits waiting window enter cancel flow flows
-- ARGV: msgpack [flow to extend or false, flows, steps], number of groups, groups of members (see lib/enter.lua).
--   A flow is [id, kind, list of fields and values, options, callbacks by hook], a step [flow, id, msgpack].
-- Returns: how many members are new; "gone" or "finished" of a flow to extend; or { queue, max_jobs, held } of a queue
--   that has no room. Then nothing changed.
-- Changes: flows, flow, steps, members; what `push` changes; what follows in flows.
local extends, flows, steps = unpack(cmsgpack.unpack(ARGV[1]))
local known = extends and call('HMGET', root .. 'flow:' .. extends, 'total', 'finished_us', 'cancelled_us', 'is_open')
if known and not known[1] then
  return 'gone'
elseif known and known[2] and known[4] == '0' then -- one that was stopped while open takes what comes yet
  return 'finished'
elseif not known and call('EXISTS', root .. 'flow:' .. flows[1][1]) == 1 then
  return 0
end
local groups, added, own, ready = read_groups(3, tonumber(ARGV[2])), 0, 0, {}
mark_new(groups)
local full = full_queue(groups)
if full then
  return full
end
for _, flow in ipairs(flows) do
  local key = root .. 'flow:' .. flow[1]
  if call('EXISTS', key) == 0 then
    call('HSET', key, 'id', flow[1], 'kind', flow[2], 'created_us', NOW, 'options', flow[4])
    call('HSET', key, 'callbacks', cmsgpack.pack(flow[5]), unpack(flow[3]))
    call('ZADD', root .. 'flows:' .. flow[2], 0, flow[1])
  end
end
for _, step in ipairs(steps) do
  if call('HSETNX', root .. 'steps:' .. step[1], step[2], step[3]) == 1 and step[1] == extends then
    own = own + 1
    if cmsgpack.unpack(step[3])[7] == 0 then -- it waits for nobody
      ready[#ready + 1] = step[2]
    end
  end
end
for _, group in ipairs(groups) do
  added = added + #group.new
end
if known then
  call('HINCRBY', root .. 'flow:' .. extends, 'total', added)
end
if known and known[3] then
  call('HINCRBY', root .. 'flow:' .. extends, 'cancelled', added)
else
  enter(groups)
end
if known then
  weaver()({ { flow = extends, word = 'woven', role = '', steps = own, ready = ready } })
elseif call('HGET', root .. 'flow:' .. flows[1][1], 'has_begun') == '0' or flows[1][6] then
  weaver()({ { flow = flows[1][1], word = 'begin', role = '' } })
end
return added
