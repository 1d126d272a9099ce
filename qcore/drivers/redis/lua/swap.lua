-- Put new values in the place of old ones, where the old ones still stand, in what is kept of flows and results.
-- Uses: keys
-- ARGV: for each value its hash without the root, its field, old value, new value.
-- Returns: how many were changed.
-- Changes: flow, steps, stepresults, results.
local done = 0
for n = 1, #ARGV, 4 do
  if call('HGET', root .. ARGV[n], ARGV[n + 1]) == ARGV[n + 2] then
    call('HSET', root .. ARGV[n], ARGV[n + 1], ARGV[n + 3])
    done = done + 1
  end
end
return done
