-- Drop failed jobs for good.
-- Uses: keys clock bulk job window
-- ARGV: ids.
-- Returns: the ids dropped.
-- Changes: failed; all that is kept of the dropped.
local ids = {}
for n, header in ipairs(read('HMGET', JOBS, ARGV)) do
  if header and call('ZREM', of_queue('failed', describe(header).queue), ARGV[n]) == 1 then
    ids[#ids + 1] = ARGV[n]
  end
end
drop(ids)
return ids
