-- Say when the next job of some queues can be given.
-- Uses: keys clock bell
-- ARGV: the queues.
-- Returns: microseconds from now, 0 when at once, -1 when none is known of.
-- Changes: nothing.
local due = NEVER
for _, queue in ipairs(ARGV) do
  due = math.min(due, next_due(queue))
end
return due == NEVER and -1 or math.max(0, due - now)
