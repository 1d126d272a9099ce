-- Free a lock, whosever it is or only one job's.
-- Uses: keys clock bulk job locks
-- ARGV: key, owner or none.
-- Returns: 1 if it was held.
-- Changes: locks, locknames, lockends, exclusive.
local holder = holder_of(ARGV[1])
if not holder or (ARGV[2] and holder.owner ~= ARGV[2]) then
  return 0
end
drop_lock(ARGV[1])
if holder.kind == WHILE_LEASED then
  call('HDEL', EXCLUSIVE, holder.owner)
end
return 1
