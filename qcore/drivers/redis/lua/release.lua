-- Let jobs that wait be due so long from now, and with no delay at once; one that is due already keeps its place then.
-- What runs or has ended is left alone.
-- Uses: keys clock bulk job bell waiting entries
-- ARGV: microseconds, then ids.
-- Returns: the ids of those that waited.
-- Changes: waiting, retrying, wake.
local delay = tonumber(table.remove(ARGV, 1))
local entries, ids = {}, {}
insist()
for n, header in ipairs(read('HMGET', JOBS, ARGV)) do
  local id, facts = ARGV[n], header and describe(header)
  local was = facts and call('ZSCORE', waiting_key(facts.queue, facts.priority), id)
  if was then
    local due = delay > 0 and now + delay or math.min(now, tonumber(was))
    local tried = call('ZSCORE', of_queue('retrying', facts.queue), id)
    ids[#ids + 1] = id
    entries[#entries + 1] = { id = id, queue = facts.queue, priority = facts.priority, due = due, tried = tried }
  end
end
wait_all(entries)
return ids
