-- Register workers, or renew what is known of them, and hand over what was left for them.
-- Uses: keys clock bulk registry
-- ARGV: microseconds of silence after which a worker is forgotten, then for each worker: id, supervisor, record.
-- Returns: { address, command, … }: for each address that has any, the command that was left first.
-- Changes: workers, supervisors, overdue, commands.
insist()
forget_overdue()
local records, supervisors, overdue, addresses = {}, {}, {}, {}
local silent = stamp(now + tonumber(ARGV[1]))
for at = 2, #ARGV, 3 do
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
  local command = call('LPOP', commands_key(address))
  if command then
    commands[#commands + 1] = address
    commands[#commands + 1] = command
  end
end
return commands
