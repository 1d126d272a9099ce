-- Forget a flow, its steps and the flows among them.
-- Uses: keys clock bulk job locks bell limits waiting window enter cancel flow flows tell
-- ARGV: id of the flow.
-- Returns: 1 where it was there.
-- Changes: flows, flowends, flow, steps, stepresults, members, failedof.
return forget_flow(ARGV[1])
