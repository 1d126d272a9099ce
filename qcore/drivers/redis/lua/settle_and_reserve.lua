-- Settle, then reserve, in one step.
-- Uses: keys clock bulk job locks bell limits waiting entries release window enter cancel flow flows measure settle reserve
-- ARGV: as for settle, then as for reserve.
-- Returns: { refused, reserved leases }.
-- Changes: what settle and reserve change.
insist()
local last = #ARGV -- what follows in flows is put behind it
local refused, at = settle(1)
local queues = {}
for n = at + 4, last do
  queues[#queues + 1] = ARGV[n]
end
return { refused, reserve(queues, tonumber(ARGV[at + 2]), ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 3])) }
