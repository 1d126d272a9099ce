-- Let leased jobs begin that need something first, each with all of it or not at all.
-- Uses: keys clock bulk job locks
-- ARGV: microseconds after which to ask again for a key that is held; then for each job: id, token, key of a lock that
--   ends now or "", key that it holds for the time of its lease or "", microseconds after which that is free, or 0.
-- Returns: for each: -2 if its lease was lost, -1 if it has started, else microseconds after which to ask again.
-- Changes: locks, locknames, lockends, exclusive.
local answers = {}

-- How long to wait for a key; nil when it is free, or this job's already.
local function wait_for(key, id)
  local holder = key ~= '' and holder_of(key)
  if not holder or holder.owner == id then
    return nil
  end
  local again = tonumber(ARGV[1])
  return holder.ends > 0 and math.max(0, math.min(again, holder.ends - now)) or again
end

local function begin(id, lock, key, for_us)
  if key ~= '' then
    take_lock(key, id, WHILE_LEASED, for_us)
  end
  local holder = lock ~= '' and holder_of(lock)
  if holder and holder.owner == id and holder.kind == UNTIL_START then
    drop_lock(lock)
  end
end

insist()
for at = 2, #ARGV, 5 do
  local id, lease = ARGV[at], call('HGET', LEASES, ARGV[at])
  if not lease or string.sub(lease, LEASE_TOKEN) ~= ARGV[at + 1] then
    answers[#answers + 1] = -2
  else
    local wait = wait_for(ARGV[at + 3], id)
    if not wait then
      begin(id, ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4]))
    end
    answers[#answers + 1] = wait or -1
  end
end
return answers
