-- Keep leases alive for another term, also those that ran out but that nobody took.
-- Uses: keys clock bulk job
-- ARGV: lease term in microseconds, then for each lease: id, token, "1" if its job has begun.
-- Returns: each id among them that somebody asked to cancel, and "1" if it is to be interrupted.
-- Changes: lapses, leases (whether begun).
local ids, extended, changed, cancelled = {}, {}, {}, {}
for at = 2, #ARGV, 3 do
  ids[#ids + 1] = ARGV[at]
end
local lapse = stamp(now + tonumber(ARGV[1]))
for n, value in ipairs(read('HMGET', LEASES, ids)) do
  local at = 3 * n - 1
  local lease = value and lease_of(value)
  if lease and lease.token == ARGV[at + 1] then
    extended[#extended + 1] = lapse
    extended[#extended + 1] = ids[n]
    local begun = has(lease.flags, STARTED)
    if begun ~= (ARGV[at + 2] == '1') then
      local flags = lease.flags + (begun and -STARTED or STARTED)
      changed[#changed + 1] = ids[n]
      changed[#changed + 1] = flagged(value, flags)
    end
    if has(lease.flags, CANCELLING) then
      cancelled[#cancelled + 1] = ids[n]
      cancelled[#cancelled + 1] = has(lease.flags, HARD) and '1' or '0'
    end
  end
end
insist()
bulk('ZADD', LAPSES, extended)
bulk('HSET', LEASES, changed)
return cancelled
