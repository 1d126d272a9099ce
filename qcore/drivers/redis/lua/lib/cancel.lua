-- Ending jobs that wait, as cancelled.
local slotted = {} -- those among them that have a slot of a limit

-- When a job is due that waits; false if it does not.
local function due_in_queue(id, facts)
  return call('ZSCORE', waiting_key(facts.queue, facts.priority), id)
end

-- Take one job off its queue; returns when it was due, or false if it did not wait.
local function withdraw(id, queue, priority)
  local key = waiting_key(queue, priority)
  local due = call('ZSCORE', key, id)
  if due then
    call('ZREM', key, id)
    call('ZREM', of_queue('retrying', queue), id)
    close_priority(queue, priority)
  end
  return due
end

-- End a job that was due then, and was withdrawn; its lock is free.
local function finish_cancelled(id, facts, due)
  local marks = marks_of(call('HGET', MARKS, id))
  local body = cmsgpack.pack({ '', 'cancelled', marks[1], marks[2] })
  call('HSET', ENDS, id, NOW .. stamp(due) .. stamp(0) .. '0' .. body)
  call('ZADD', of_queue('cancelled', facts.queue), NOW, id)
  call('HINCRBY', of_queue('queue', facts.queue), 'cancelled', 1)
  if facts.lock then
    free_lock(facts.lock[1], id)
  end
  if call('HEXISTS', SLOTS, id) == 1 then
    slotted[#slotted + 1] = id
  end
end

-- Let those who wait know that jobs were cancelled, by queue and number, give back their slots, and keep the window.
local function after_cancelling(by_queue)
  give_back_slots(slotted)
  for queue, count in pairs(by_queue) do
    ring_for_rest(queue, false)
    trim('cancelled', queue, share(count))
  end
end
