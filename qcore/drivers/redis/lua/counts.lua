-- Count the jobs of queues.
-- Uses: keys clock bell
-- ARGV: queues; none for all.
-- Returns: for each queue that is known: name, pending, delayed, processing, retrying, completed, failed, cancelled,
--   oldest due instant or false, pause (ends, "1" and reason or "0") or false, definition or false.
-- Changes: nothing.
local function count(queue)
  local waiting, due, oldest = 0, 0, NEVER
  for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
    local key = waiting_key(queue, priority)
    waiting = waiting + call('ZCARD', key)
    due = due + call('ZCOUNT', key, '-inf', NOW)
    oldest = math.min(oldest, tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]) or NEVER)
  end
  local retrying = call('ZCARD', of_queue('retrying', queue))
  local due_again = call('ZCOUNT', of_queue('retrying', queue), '-inf', NOW)
  local told = call('HMGET', of_queue('queue', queue), 'completed', 'cancelled', 'paused', 'definition')
  return {
    queue, due - due_again, waiting - due - (retrying - due_again), call('ZCARD', of_queue('running', queue)),
    retrying, told[1] or '0', call('ZCARD', of_queue('failed', queue)), told[2] or '0',
    oldest <= now and stamp(oldest) or false, paused_until(queue) and told[3] or false, told[4],
  }
end

local rows = {}
for _, queue in ipairs(#ARGV > 0 and ARGV or call('SMEMBERS', QUEUES)) do
  if call('SISMEMBER', QUEUES, queue) == 1 then
    rows[#rows + 1] = count(queue)
  end
end
return rows
