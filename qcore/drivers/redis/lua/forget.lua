-- Drop failed jobs.
-- Uses: keys clock bulk job dropped window
-- ARGV: the token under which they are kept for a day or "", then ids.
-- Returns: the ids dropped.
-- Changes: failed; dropped; all that is kept of the dropped.
local token, ids, headers, dues = table.remove(ARGV, 1), {}, {}, {}
insist()
for n, header in ipairs(read('HMGET', JOBS, ARGV)) do
  if header and call('ZREM', of_queue('failed', describe(header).queue), ARGV[n]) == 1 then
    ids[#ids + 1], headers[#headers + 1], dues[#dues + 1] = ARGV[n], header, now
  end
end
keep_dropped(token, ids, headers, dues)
drop(ids)
return ids
