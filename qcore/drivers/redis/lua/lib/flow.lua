-- Batches, chains and graphs: what follows when members of them end. The twin of drivers/weaving.py, which says why.
--   flow:<id>         counters and instants, and what their maker said: `options`, `callbacks`
--   steps:<id>        by id msgpack [place, strand, name, job, is flow, state, waits, parents, children, job to be
--                     stored or false, error or false, microseconds or false, ended or false]
--   stepresults:<id>  what steps returned, by id
--   members:<id>      ids of jobs that live and count
--   failedof:<id>     ids of those that failed
-- A job to be stored is a group of lib/enter.lua, as a list. A note is { flow, word, id, role, … }.
local WAITING, STARTED, PROCESSED, BROKEN, WITHDRAWN, SKIPPED = 0, 1, 2, 3, 4, 5
local PLACE, STRAND, JOB, IS_FLOW, STATE, WAITS, PARENTS, CHILDREN, GROUP, ERROR, RUNTIME, ENDED =
  1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local HOOKS = { b = 1, p = 2, t = 4, c = 8, f = 16 }

-- The flow of which `told` speaks, and what a job is to it.
local function told_of(told)
  return string.sub(told, 1, 36), string.sub(told, 37)
end

-- Makes what flows.lua is made of: reading, keeping and judging one flow.
local function flow_parts()
  local FIELDS = {
    'total', 'processed', 'failed', 'cancelled', 'excused', 'allowed', 'is_open', 'has_begun', 'hooks', 'hooked', 'live',
    'progress', 'allowed_ppm', 'failed_us', 'cancelled_us', 'finished_us', 'failed_by', 'parent', 'kind',
  }
  local NUMBERS = 12 -- so many of the fields are always numbers; the rest may be missing

  local function of_flow(kind, flow)
    return root .. kind .. ':' .. flow
  end

  local function read_flow(id)
    local values = call('HMGET', of_flow('flow', id), unpack(FIELDS))
    if not values[1] then
      return nil
    end
    local flow = { id = id }
    for n, field in ipairs(FIELDS) do
      flow[field] = n <= NUMBERS and tonumber(values[n]) or values[n] or nil
    end
    return flow
  end

  local function save_flow(flow)
    local kept, gone = {}, {}
    for n, field in ipairs(FIELDS) do
      if flow[field] == nil then
        gone[#gone + 1] = field
      else
        kept[#kept + 1] = field
        kept[#kept + 1] = n <= NUMBERS and string.format('%d', flow[field]) or flow[field]
      end
    end
    call('HSET', of_flow('flow', flow.id), unpack(kept))
    bulk('HDEL', of_flow('flow', flow.id), gone)
    if flow.finished_us and not flow.parent then
      call('ZADD', root .. 'flowends', flow.finished_us, flow.id)
    else
      call('ZREM', root .. 'flowends', flow.id)
    end
  end

  local function has_bit(bits, hook)
    return math.floor(bits / HOOKS[hook]) % 2 == 1
  end

  -- Store jobs, whatever the capacity. A callback may be one that has ended: all of that is forgotten first.
  local function store_jobs(groups)
    if #groups == 0 then
      return
    end
    local at, ids = #ARGV + 1, {}
    for n, group in ipairs(groups) do
      ids[n] = group[8]
      for _, value in ipairs(group) do
        ARGV[#ARGV + 1] = value
      end
    end
    local again = {}
    for n, ending in ipairs(read('HMGET', ENDS, ids)) do
      if ending then
        again[#again + 1] = ids[n]
        for _, view in ipairs({ 'completed', 'cancelled', 'failed' }) do
          call('ZREM', of_queue(view, groups[n][2]), ids[n])
        end
      end
    end
    drop(again)
    local entering = read_groups(at, #groups)
    mark_new(entering)
    enter(entering)
  end

  -- One flow while things happen to it.
  local function ended_of(flow)
    return flow.processed + flow.failed + flow.cancelled
  end

  local function step_of(flow, id)
    local step = flow.steps[id]
    if step == nil then
      local packed = call('HGET', of_flow('steps', flow.id), id)
      step = packed and cmsgpack.unpack(packed) or false
      if step then
        step.id = id
      end
      flow.steps[id] = step
    end
    return step
  end

  local function all_steps(flow)
    for _, id in ipairs(call('HKEYS', of_flow('steps', flow.id))) do
      step_of(flow, id)
    end
    local found = {}
    for _, step in pairs(flow.steps) do
      if step then
        found[#found + 1] = step
      end
    end
    table.sort(found, function(a, b)
      if a[STRAND] ~= b[STRAND] then
        return a[STRAND] < b[STRAND]
      end
      return a[PLACE] < b[PLACE]
    end)
    return found
  end

  -- A step and those that share its strand; of one that is no graph those behind it.
  local function strand_of(flow, step)
    local found = { step }
    if flow.kind == 'graph' then
      return all_steps(flow)
    end
    while #found[#found][CHILDREN] > 0 do
      local child = step_of(flow, found[#found][CHILDREN][1])
      if not child then
        break
      end
      found[#found + 1] = child
    end
    return found
  end

  local function keep_steps(flow)
    local kept = {}
    for id, step in pairs(flow.steps) do
      if step and step.changed then
        kept[#kept + 1] = id
        kept[#kept + 1] = cmsgpack.pack({ unpack(step, 1, 13) })
      end
    end
    bulk('HSET', of_flow('steps', flow.id), kept)
  end

  local function once(flow, hook)
    if has_bit(flow.hooks, hook) and not has_bit(flow.hooked, hook) then
      flow.hooked = flow.hooked + HOOKS[hook]
      flow.live = flow.live + 1
      flow.calls[#flow.calls + 1] = hook
      return true
    end
    return false
  end

  local function tick(flow)
    if not has_bit(flow.hooks, 'p') then
      return
    end
    if flow.progress > 0 then
      flow.progress = 2
      return
    end
    flow.progress, flow.live = 1, flow.live + 1
    flow.calls[#flow.calls + 1] = 'p'
  end

  local function may_fail(flow)
    if flow.allowed_ppm then
      if flow.is_open == 1 then
        return nil
      end
      return math.floor(flow.total * tonumber(flow.allowed_ppm) / 1000000)
    end
    return flow.allowed >= 0 and flow.allowed or nil
  end

  local function is_over(flow)
    local most = may_fail(flow)
    return most ~= nil and flow.failed - flow.excused > most
  end

  -- Whether steps of a chain or graph were cancelled, and no failure that is allowed is the reason.
  local function has_gap(flow)
    return flow.kind ~= 'batch' and flow.cancelled > 0 and flow.failed == 0
  end

  -- See whether the flow fails or finishes now; returns whether its other members are to be cancelled.
  local function judge(flow)
    local fails = not flow.failed_us and is_over(flow)
    if fails then
      flow.failed_us = NOW
      flow.cancelled_us = flow.cancelled_us or NOW
      once(flow, 'c')
    end
    local goes_on = flow.is_open == 1 or flow.has_begun == 0
    if ended_of(flow) >= flow.total and (flow.cancelled_us or not goes_on) and not flow.finished_us then
      flow.finished_us = NOW
      if not flow.cancelled_us and not has_gap(flow) then
        once(flow, 't')
      end
    end
    if flow.finished_us and flow.live == 0 then
      once(flow, 'f')
    end
    return fails
  end

  local function count_one(flow, one)
    if one.state == PROCESSED then
      flow.processed = flow.processed + 1
    elseif one.state == BROKEN then
      flow.failed = flow.failed + 1
      flow.excused = flow.excused + (one.excused and 1 or 0)
      if not flow.failed_by and is_over(flow) then
        flow.failed_by = one.id
      end
      call('SADD', of_flow('failedof', flow.id), one.id)
    else
      flow.cancelled = flow.cancelled + 1
    end
  end

  local function outcome_of(flow)
    return flow.failed_us and BROKEN or (flow.cancelled_us or has_gap(flow)) and WITHDRAWN or PROCESSED
  end

  local function lift(flow, failed, excused, cancelled)
    flow.failed = math.max(0, flow.failed - failed)
    flow.excused = math.max(0, flow.excused - excused)
    flow.cancelled = math.max(0, flow.cancelled - cancelled)
    flow.finished_us, flow.cancelled_us, flow.failed_us, flow.failed_by = nil, nil, nil, nil
  end

  return {
    count_one = count_one, outcome_of = outcome_of, lift = lift,
    of_flow = of_flow, read_flow = read_flow, save_flow = save_flow, has_bit = has_bit, store_jobs = store_jobs, ended_of = ended_of, step_of = step_of, all_steps = all_steps, strand_of = strand_of, keep_steps = keep_steps, once = once, tick = tick, may_fail = may_fail, is_over = is_over, judge = judge,
  }
end
