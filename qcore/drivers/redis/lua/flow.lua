-- Let an open flow finish ("close"), or stop one ("cancel").
-- Uses: keys clock bulk job locks bell limits waiting window enter cancel flow flows
-- ARGV: the word, id of the flow.
-- Returns: 1 where it was open, or under way; else 0, and nothing changed.
-- Changes: flow; what follows in flows.
insist()
local known = call('HMGET', root .. 'flow:' .. ARGV[2], 'is_open', 'finished_us', 'cancelled_us')
if not known[1] or (ARGV[1] == 'close' and known[1] == '0') or (ARGV[1] == 'cancel' and (known[2] or known[3])) then
  return 0
end
weaver()({ { flow = ARGV[2], word = ARGV[1], role = '' } })
return 1
