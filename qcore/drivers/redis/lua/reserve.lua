-- Lease due jobs to a worker, in queue order, then priority, due time, id.
-- Uses: keys clock bulk job bell waiting reserve
-- ARGV: worker, request, limit, lease term in microseconds, then the queues, most wanted first.
-- Returns: { reserved, { id, due, header, … }, { id, marks, history, payload kept apart, … } }.
-- Changes: waiting, priorities, retrying, leases, lapses, running, request, wake.
insist()
local queues = {}
for at = 5, #ARGV do
  queues[#queues + 1] = ARGV[at]
end
return reserve(queues, tonumber(ARGV[3]), ARGV[1], ARGV[2], tonumber(ARGV[4]))
