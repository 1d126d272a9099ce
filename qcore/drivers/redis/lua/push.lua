-- Store envelopes: all or none, each id once.
-- Uses: keys clock bulk bell waiting enter
-- ARGV: number of groups, then the groups (see lib/enter.lua).
-- Returns: nothing when stored, or { queue, max_jobs, held } of a queue that has no room; then nothing changed.
-- Changes: jobs, payloads, waiting, priorities, queues, wake.
local groups = read_groups(2, tonumber(ARGV[1]))
mark_new(groups)
local full = full_queue(groups)
if full then
  return full
end
enter(groups)
return false
