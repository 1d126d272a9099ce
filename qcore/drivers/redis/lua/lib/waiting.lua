-- Which priorities of a queue have waiting jobs, and how many it holds.

-- Note that a queue has jobs of a priority; larger ones first.
local function open_priority(queue, priority)
  if call('ZADD', of_queue('priorities', queue), -priority, priority) == 1 then
    call('SADD', QUEUES, queue)
  end
end

local function close_priority(queue, priority)
  if call('EXISTS', waiting_key(queue, priority)) == 0 then
    call('ZREM', of_queue('priorities', queue), priority)
  end
end

-- Waiting and leased jobs of a queue.
local function held_by(queue)
  local held = call('ZCARD', of_queue('running', queue))
  for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
    held = held + call('ZCARD', waiting_key(queue, priority))
  end
  return held
end
