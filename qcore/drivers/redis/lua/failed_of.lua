-- Name failed members of a flow, by id.
-- Uses: keys bulk job
-- ARGV: id of the flow, ids at the most.
-- Returns: ids.
-- Changes: nothing; failed members that somebody dropped are left out.
local ids = call('SMEMBERS', root .. 'failedof:' .. ARGV[1])
table.sort(ids)
local found = {}
for n, header in ipairs(read('HMGET', JOBS, ids)) do
  if #found < tonumber(ARGV[2]) and header and call('ZSCORE', of_queue('failed', describe(header).queue), ids[n]) then
    found[#found + 1] = ids[n]
  end
end
return found
