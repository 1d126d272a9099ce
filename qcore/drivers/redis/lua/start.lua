-- Let leased jobs begin that need something first, each with all of it or not at all.
-- Uses: keys clock bulk bell job locks limits
-- ARGV: microseconds after which to ask again for a key that is held; then for each job: id, token, key of a lock that
--   ends now or "", key that it holds for the time of its lease or "", microseconds after which that is free, or 0,
--   "1" if it asks ahead or "0", number of limits; for each of those: key, most, window, strategy, queue whose own it is or "".
-- Returns: for each: -2 if its lease was lost, -1 if it has started, else microseconds after which to ask again; then
--   1 if that instant is kept for it by its limits, or 0.
-- Changes: locks, locknames, lockends, exclusive, limits, limitnames, limitends, slots, slotends, queue, wake.
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

-- Read `count` limits that begin at ARGV[at].
local function read_limits(at, count)
  local limits = {}
  for n = 1, count do
    local first = at + 5 * (n - 1)
    limits[n] = {
      key = ARGV[first], most = tonumber(ARGV[first + 1]), window = tonumber(ARGV[first + 2]),
      strategy = tonumber(ARGV[first + 3]), queue = ARGV[first + 4],
    }
  end
  return limits
end

-- Answer for the job whose arguments begin at ARGV[at]: two numbers.
local function answer(at, limits)
  local id, lease = ARGV[at], call('HGET', LEASES, ARGV[at])
  if not lease or string.sub(lease, LEASE_TOKEN) ~= ARGV[at + 1] then
    return -2, 0
  end
  local wait = wait_for(ARGV[at + 3], id)
  if wait then
    return wait, 0
  end
  wait = #limits > 0 and start_by(id, limits, ARGV[at + 5] == '1')
  if wait then
    return wait, wait > 0 and 1 or 0
  end
  begin(id, ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4]))
  return -1, 0
end

insist()
local at = 2
while at <= #ARGV do
  local count = tonumber(ARGV[at + 6])
  local wait, is_slot = answer(at, read_limits(at + 7, count))
  answers[#answers + 1] = wait
  answers[#answers + 1] = is_slot
  at = at + 7 + 5 * count
end
keep_limits()
return answers
