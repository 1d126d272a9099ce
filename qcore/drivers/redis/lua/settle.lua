-- Apply the ends of attempts, each whole or, where its lease was lost, not at all.
-- Uses: keys clock bulk job locks bell limits waiting entries release window enter cancel flow flows measure settle
-- ARGV: number of groups, the groups, histories, results, pushes, locks (see lib/settle.lua).
-- Returns: positions of the refused, from 1.
-- Changes: leases, lapses, running, ends, completed, failed, cancelled, marks, history, results, expiries, queue,
--   progress; what `push` changes for released jobs and for those that follow; what the window forgets; locks.
insist()
local refused = settle(1)
return refused
