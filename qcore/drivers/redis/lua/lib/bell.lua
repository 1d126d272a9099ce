-- Waking those who wait: each queue has a list that holds one token at the most. Whoever takes it looks for
-- work; `reserve` puts it back while work remains, so idle workers wake one by one and none is left asleep.
-- A waiter looks by itself once in LOOK_US, so only what becomes due sooner than that needs to ring.
local LOOK_US = 1000000
local NEVER = math.huge

-- When a pause ends; nil when the queue is not paused.
local function paused_until(queue)
  local pause = call('HGET', of_queue('queue', queue), 'paused')
  if not pause then
    return nil
  end
  local ends = tonumber(string.sub(pause, 1, 16))
  if ends == 0 then
    return NEVER
  end
  return ends > now and ends or nil
end

-- When the next job of the queue can be given; now or earlier when at once, NEVER when none is known of.
local function next_due(queue)
  local due = NEVER
  for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
    local first = call('ZRANGE', waiting_key(queue, priority), 0, 0, 'WITHSCORES')
    due = math.min(due, tonumber(first[2]) or NEVER)
  end
  if due == NEVER then
    return NEVER
  end
  return math.max(due, paused_until(queue) or 0)
end

-- Jobs were added, or are left, the first of them due at `due`.
local function ring(queue, due)
  local list = of_queue('wake', queue)
  if due <= now + LOOK_US and call('EXISTS', list) == 0 and not paused_until(queue) then
    call('RPUSH', list, '1')
  end
end

-- Jobs were taken away. Whoever got some is busy now, so somebody else must look after what comes soon.
local function ring_for_rest(queue, is_busy)
  local due = next_due(queue)
  if due <= now or is_busy then
    ring(queue, due)
  end
  if due > now + LOOK_US then
    call('DEL', of_queue('wake', queue))
  end
end
