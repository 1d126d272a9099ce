-- Take a unique lock for a job that lives elsewhere.
-- Uses: keys clock bulk job locks
-- ARGV: key, owner, microseconds it lasts.
-- Returns: 1 if it is that job's now.
-- Changes: locks, locknames, lockends.
local holder = holder_of(ARGV[1])
if not holder then
  take_lock(ARGV[1], ARGV[2], UNIQUE, tonumber(ARGV[3]))
end
return (not holder or holder.owner == ARGV[2]) and 1 or 0
