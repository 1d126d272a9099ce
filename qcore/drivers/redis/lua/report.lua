-- Register workers, or renew what is known of them, drop what they have taken, and tell what is left for them.
-- Uses: keys clock bulk registry
-- ARGV: microseconds of silence after which a worker is forgotten, how many commands were taken, for each of these its
-- address, id and command (the last two as one), then for each worker: id, supervisor, record.
-- Returns: { address, id and command, … }: for each address that has any, the command that was left first.
-- Changes: workers, supervisors, overdue, commands.
insist()
forget_overdue()
local records, supervisors, overdue, addresses = {}, {}, {}, {}
local silent = stamp(now + tonumber(ARGV[1]))
local first = 3 + 2 * tonumber(ARGV[2])
for at = 3, first - 1, 2 do
  call('LREM', commands_key(ARGV[at]), 1, ARGV[at + 1])
end
for at = first, #ARGV, 3 do
  local n, id, supervisor = #records, ARGV[at], ARGV[at + 1]
  records[n + 1], records[n + 2] = id, NOW .. ARGV[at + 2]
  supervisors[n + 1], supervisors[n + 2] = id, supervisor
  overdue[n + 1], overdue[n + 2] = silent, id
  addresses[id], addresses[supervisor] = true, true
end
bulk('HSET', WORKERS, records)
bulk('HSET', SUPERVISORS, supervisors)
bulk('ZADD', OVERDUE, overdue)
local commands = {}
for address in pairs(addresses) do
  local command = call('LINDEX', commands_key(address), 0)
  if command then
    commands[#commands + 1] = address
    commands[#commands + 1] = command
  end
end
return commands
