-- Note how far a running job has come.
-- Uses: keys
-- ARGV: id, msgpack [percent, note].
-- Changes: progress, if the job runs.
if call('HEXISTS', LEASES, ARGV[1]) == 1 then
  call('HSET', PROGRESS, ARGV[1], ARGV[2])
end
