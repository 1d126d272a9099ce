-- Leave a command for workers, each address of its own; one that repeats the last that waits there takes its
-- place, unless it adds to it.
-- Uses: keys clock bulk registry
-- ARGV: a worker, a supervisor or "*" for all supervisors, command, microseconds after which nobody will take it, id,
-- 1 if said twice it is to be done twice.
-- Returns: how many known workers it concerns.
-- Changes: commands; workers, supervisors, overdue (those that have been silent for too long).
insist()
forget_overdue()
local known, addresses, concerned = call('HGETALL', SUPERVISORS), {}, 0
for k = 1, #known, 2 do
  local worker, supervisor = known[k], known[k + 1]
  local address = ARGV[1] == '*' and supervisor or ARGV[1]
  if address == worker or address == supervisor then
    addresses[address] = true
    concerned = concerned + 1
  end
end
local left = ARGV[4] .. ' ' .. ARGV[2]
for address in pairs(addresses) do
  local key = commands_key(address)
  local last = call('LINDEX', key, -1)
  if ARGV[5] == '0' and last and string.match(last, ' (.*)') == ARGV[2] then
    call('LSET', key, -1, left)
  else
    call('RPUSH', key, left)
  end
  call('PEXPIRE', key, math.ceil(tonumber(ARGV[3]) / 1000))
end
return concerned
