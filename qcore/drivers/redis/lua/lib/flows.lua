-- What happens to flows, and what follows: see flow.lua.

-- Makes the function that lets things happen to flows, where something does: no other step pays for it.
local function weaver()
  local parts = flow_parts()
  local count_one, outcome_of, lift, of_flow, read_flow =
    parts.count_one, parts.outcome_of, parts.lift, parts.of_flow, parts.read_flow
  local save_flow, store_jobs, ended_of, step_of, all_steps, strand_of =
    parts.save_flow, parts.store_jobs, parts.ended_of, parts.step_of, parts.all_steps, parts.strand_of
  local keep_steps, once, tick, is_over, judge =
    parts.keep_steps, parts.once, parts.tick, parts.is_over, parts.judge

  local function note(flow, list)
    flow.more[#flow.more + 1] = list
  end

  local function skip(flow, step)
    step[STATE], step[ENDED], step.changed = SKIPPED, NOW, true
    flow.cancelled = flow.cancelled + 1
    if step[IS_FLOW] then
      note(flow, { flow = step.id, word = 'cancel' })
    end
  end

  -- Let the children of steps that ended go on, or skip them.
  local function go_on(flow, ended)
    local lost = {}
    for _, step in ipairs(ended) do
      for _, id in ipairs(step[CHILDREN]) do
        local child = step_of(flow, id)
        if child and step[STATE] == PROCESSED then
          child[WAITS], child.changed = child[WAITS] - 1, true
          if child[WAITS] == 0 and child[STATE] == WAITING then
            flow.ready[#flow.ready + 1] = child
          end
        elseif child then
          lost[#lost + 1] = child
        end
      end
    end
    while #lost > 0 do
      local step = table.remove(lost)
      if step[STATE] == WAITING then
        skip(flow, step)
        for _, id in ipairs(step[CHILDREN]) do
          local child = step_of(flow, id)
          if child then
            lost[#lost + 1] = child
          end
        end
      end
    end
  end

  local function begin_steps(flow)
    for _, step in ipairs(all_steps(flow)) do
      if step[STATE] == WAITING and step[WAITS] == 0 then
        flow.ready[#flow.ready + 1] = step
      end
    end
  end

  local function release_ready(flow)
    for _, step in ipairs(flow.ready) do
      if step[STATE] == WAITING then
        step[STATE], step.changed = STARTED, true
        if step[IS_FLOW] then
          note(flow, { flow = step.id, word = 'begin' })
        else
          flow.stored[#flow.stored + 1] = step[GROUP]
        end
      end
    end
    flow.ready = {}
  end

  local function refuse_ready(flow)
    for _, step in ipairs(flow.ready) do
      if step[STATE] == WAITING then
        skip(flow, step)
      end
    end
    flow.ready = {}
  end

  -- End jobs of the flow that wait, as cancelled, and mark those that run.
  local function sweep(flow)
    local ids = call('SMEMBERS', of_flow('members', flow.id))
    local headers, leases, by_queue, gone = read('HMGET', JOBS, ids), read('HMGET', LEASES, ids), {}, {}
    for n, id in ipairs(ids) do
      local facts = headers[n] and describe(headers[n])
      if leases[n] then
        local flags = lease_of(leases[n]).flags
        if not has(flags, CANCELLING) then
          call('HSET', LEASES, id, flagged(leases[n], flags + CANCELLING))
        end
      elseif facts then
        local due = withdraw(id, facts.queue, facts.priority)
        if due then
          finish_cancelled(id, facts, due)
          by_queue[facts.queue] = (by_queue[facts.queue] or 0) + 1
          gone[#gone + 1] = id
          local step = step_of(flow, id)
          if step then
            step[STATE], step[ENDED], step.changed = WITHDRAWN, NOW, true
          end
        end
      end
    end
    bulk('SREM', of_flow('members', flow.id), gone)
    after_cancelling(by_queue)
    flow.cancelled = flow.cancelled + #gone
  end

  local function stop(flow)
    flow.ready = {}
    for _, step in ipairs(all_steps(flow)) do
      if step[STATE] == WAITING then
        skip(flow, step)
      elseif step[STATE] == STARTED and step[IS_FLOW] then
        note(flow, { flow = step.id, word = 'cancel' })
      end
    end
    sweep(flow)
  end

  -- Let steps follow one, and what followed it follow them.
  local function insert(flow, after, groups)
    if #groups == 0 then
      return
    end
    local above, children = after, after[CHILDREN]
    for _, step in ipairs(strand_of(flow, after)) do
      if step[PLACE] > after[PLACE] then
        step[PLACE], step.changed = step[PLACE] + #groups, true
      end
    end
    for n, group in ipairs(groups) do
      local job = cmsgpack.unpack(group[1])[1]
      local step = {
        after[PLACE] + n, after[STRAND], false, job, false, WAITING, 1, { above.id }, {}, group, false, false, false,
      }
      step.id, step.changed = group[8], true
      flow.steps[step.id] = step
      above[CHILDREN], above.changed = { step.id }, true
      above = step
    end
    above[CHILDREN] = children
    for _, id in ipairs(children) do
      local child = step_of(flow, id)
      for k, parent in ipairs(child and child[PARENTS] or {}) do
        if parent == after.id then
          child[PARENTS][k], child.changed = above.id, true
        end
      end
    end
    flow.total = flow.total + #groups
  end

  local function grow(flow, id, growth)
    local members = growth[3]
    flow.total = flow.total + #members
    if flow.cancelled_us then
      flow.cancelled = flow.cancelled + #members
      return
    end
    for _, group in ipairs(members) do
      flow.stored[#flow.stored + 1] = group
    end
    local step = (#growth[1] > 0 or #growth[2] > 0) and step_of(flow, id)
    if step then
      insert(flow, step, growth[1])
      local tail = step
      for _, one in ipairs(strand_of(flow, step)) do
        if one[PLACE] > tail[PLACE] then
          tail = one
        end
      end
      insert(flow, tail, growth[2])
    end
  end

  local function count(flow, notes)
    local over, gone = {}, {}
    for _, one in ipairs(notes) do
      if one.word == 'ended' and not HOOKS[one.role] then
        gone[#gone + 1] = one.id
        local step = one.role == 's' and step_of(flow, one.id)
        if one.role ~= 's' then
          count_one(flow, one)
        elseif step and step[STATE] < PROCESSED then
          step[STATE], step[ERROR], step[RUNTIME] = one.state, one.error or false, one.runtime or false
          step[ENDED], step.changed = NOW, true
          if one.result then
            call('HSET', of_flow('stepresults', flow.id), one.id, one.result)
          end
          over[#over + 1] = step
          count_one(flow, one)
        end
      end
    end
    bulk('SREM', of_flow('members', flow.id), gone)
    go_on(flow, over)
  end

  -- Let steps wait that were skipped, but for those behind one that stays ended badly; returns how many. Jobs of a chain
  -- or graph that were cancelled meanwhile come back too: a step keeps its own.
  local function wait_again(flow, retried)
    local behind, left, again = {}, {}, 0
    local steps = all_steps(flow)
    local function comes_back(step)
      return step[STATE] == WITHDRAWN and flow.kind ~= 'batch' and not step[IS_FLOW]
    end
    for _, step in ipairs(steps) do
      if retried[step.id] then
        step[STATE], step[ERROR], step[ENDED], step.changed = STARTED, false, false, true
      elseif step[STATE] == BROKEN or (step[STATE] == WITHDRAWN and not comes_back(step)) then
        left[#left + 1] = step
      end
    end
    while #left > 0 do
      for _, id in ipairs(table.remove(left)[CHILDREN]) do
        local child = step_of(flow, id)
        if child and not behind[id] then
          behind[id] = true
          left[#left + 1] = child
        end
      end
    end
    for _, step in ipairs(steps) do
      if (step[STATE] == SKIPPED or comes_back(step)) and not behind[step.id] then
        step[STATE], step[ENDED], step.changed = WAITING, false, true
        again = again + 1
        if step[IS_FLOW] then
          note(flow, { flow = step.id, word = 'restored' })
        end
        if step[WAITS] == 0 then
          flow.ready[#flow.ready + 1] = step
        end
      end
    end
    return again
  end

  local function reopen(flow, notes)
    local failed, excused, cancelled, retried, has_steps = 0, 0, 0, {}, false
    for _, one in ipairs(notes) do
      if one.state == BROKEN then
        failed, excused = failed + 1, excused + (one.excused and 1 or 0)
      else
        cancelled = cancelled + 1
      end
      call('SREM', of_flow('failedof', flow.id), one.id)
      if one.role == 's' then
        retried[one.id], has_steps = true, true
      end
    end
    if has_steps then
      cancelled = cancelled + wait_again(flow, retried)
    end
    if flow.finished_us and flow.parent then
      note(flow, { flow = flow.parent, word = 'retried', id = flow.id, role = 's', state = outcome_of(flow) })
    end
    lift(flow, failed, excused, cancelled)
  end

  local function hook_ended(flow, hook)
    flow.live = flow.live - 1
    if hook == 'b' and flow.has_begun == 0 then
      flow.has_begun = 1
      begin_steps(flow)
    elseif hook == 'p' then
      local is_behind = flow.progress > 1
      flow.progress = 0
      if is_behind then
        tick(flow)
      end
    end
  end

  local function obey(flow, notes)
    local retried = {}
    for _, one in ipairs(notes) do
      if one.word == 'ended' and HOOKS[one.role] then
        hook_ended(flow, one.role)
      elseif one.word == 'begin' and flow.has_begun == 0 then
        if not once(flow, 'b') then
          flow.has_begun = 1
          begin_steps(flow)
        end
      elseif one.word == 'close' then
        flow.is_open = 0
      elseif one.word == 'cancel' and not flow.finished_us then
        flow.cancelled_us = flow.cancelled_us or NOW
      elseif one.word == 'woven' and one.steps > 0 then
        flow.total = flow.total + one.steps
        if flow.cancelled_us then
          stop(flow)
        elseif flow.has_begun == 1 then
          for _, id in ipairs(one.ready) do
            flow.ready[#flow.ready + 1] = step_of(flow, id)
          end
        end
      elseif one.word == 'sweep' and flow.cancelled_us then
        sweep(flow)
      elseif one.word == 'restored' then
        local cancelled = wait_again(flow, {})
        flow.ready, flow.has_begun = {}, 0
        lift(flow, 0, 0, cancelled)
      elseif one.word == 'retried' and HOOKS[one.role] then
        flow.live = flow.live + 1
        if one.role == 'p' then
          flow.progress = math.max(flow.progress, 1)
        end
      elseif one.word == 'retried' then
        retried[#retried + 1] = one
      end
    end
    if #retried > 0 then
      reopen(flow, retried)
    end
  end

  local function conclude(flow, before, was_cancelled)
    if ended_of(flow) ~= before and not flow.finished_us then
      tick(flow)
    end
    local fails = judge(flow)
    local counted = ended_of(flow)
    if fails or (flow.cancelled_us and not was_cancelled) then
      stop(flow)
    elseif flow.cancelled_us then
      refuse_ready(flow)
    else
      release_ready(flow)
    end
    if ended_of(flow) ~= counted then
      tick(flow)
      judge(flow)
    end
  end

  local function move_one(flow, notes)
    flow.steps, flow.ready, flow.calls, flow.more, flow.stored = {}, {}, {}, {}, {}
    local was_finished, was_cancelled, before = flow.finished_us, flow.cancelled_us, ended_of(flow)
    for _, one in ipairs(notes) do
      if one.growth then
        grow(flow, one.id, one.growth)
      end
    end
    count(flow, notes)
    obey(flow, notes)
    conclude(flow, before, was_cancelled)
    keep_steps(flow)
    save_flow(flow)
    if #flow.calls > 0 then
      local callbacks = cmsgpack.unpack(call('HGET', of_flow('flow', flow.id), 'callbacks'))
      for _, hook in ipairs(flow.calls) do
        flow.stored[#flow.stored + 1] = callbacks[hook]
      end
    end
    store_jobs(flow.stored)
    if flow.parent and flow.finished_us and not was_finished then
      note(flow, { flow = flow.parent, word = 'ended', id = flow.id, role = 's', state = outcome_of(flow) })
    end
    return flow.more
  end

  -- Let things happen to flows, and all that follows from them.
  local function move_flows(notes)
    while #notes > 0 do
      local order, by_flow, more = {}, {}, {}
      for _, one in ipairs(notes) do
        if not by_flow[one.flow] then
          by_flow[one.flow] = {}
          order[#order + 1] = one.flow
        end
        table.insert(by_flow[one.flow], one)
      end
      for _, id in ipairs(order) do
        local flow = read_flow(id)
        for _, one in ipairs(flow and move_one(flow, by_flow[id]) or {}) do
          more[#more + 1] = one
        end
      end
      notes = more
    end
  end

  return move_flows
end
