-- Keys that jobs hold, each the property of one job. A value of `locks` is:
--   end (16, 0 for none) · first (16) · taken (16) · kind (1) · owner
-- where first is when the first of those took it that replaced each other. Kinds are schema's: 0 until the job ends,
-- 1 until it starts, 2 as long as its lease. What a job holds for its lease stands in `exclusive` too, by the job.
local UNIQUE, UNTIL_START, WHILE_LEASED = '0', '1', '2'
local KIND, OWNER = 49, 50

-- Who holds a key: owner, first, ends, kind; nil when nobody does, or when its time has run out.
local function holder_of(key)
  local value = call('HGET', LOCKS, key)
  if not value then
    return nil
  end
  local ends = tonumber(string.sub(value, 1, 16))
  if ends > 0 and ends <= now then
    return nil
  end
  return {
    owner = string.sub(value, OWNER), first = tonumber(string.sub(value, 17, 32)), ends = ends,
    kind = string.sub(value, KIND, KIND),
  }
end

-- Let a job hold a key, whoever did before.
local function take_lock(key, owner, kind, for_us, first)
  local ends = for_us > 0 and stamp(now + for_us) or stamp(0)
  call('HSET', LOCKS, key, ends .. stamp(first or now) .. NOW .. kind .. owner)
  call('ZADD', LOCK_NAMES, 0, key)
  if for_us > 0 then
    call('ZADD', LOCK_ENDS, ends, key)
  else
    call('ZREM', LOCK_ENDS, key)
  end
  if kind == WHILE_LEASED then
    call('HSET', EXCLUSIVE, owner, key)
  end
end

local function drop_lock(key)
  call('HDEL', LOCKS, key)
  call('ZREM', LOCK_NAMES, key)
  call('ZREM', LOCK_ENDS, key)
end

-- Free a key if a job holds it; whether it did.
local function free_lock(key, owner)
  local value = call('HGET', LOCKS, key)
  if not value or string.sub(value, OWNER) ~= owner then
    return false
  end
  drop_lock(key)
  return true
end

-- Free what jobs hold for the time of their leases.
local function free_exclusive(ids)
  for n, key in ipairs(read_rare(EXCLUSIVE, ids)) do
    if key then
      free_lock(key, ids[n])
      call('HDEL', EXCLUSIVE, ids[n])
    end
  end
end

-- Free the unique locks of jobs, given with their values of `jobs`.
local function free_unique(ids, headers)
  if call('EXISTS', LOCKS) == 0 then
    return
  end
  for n, header in ipairs(headers) do
    local lock = header and describe(header).lock
    if lock then
      free_lock(lock[1], ids[n])
    end
  end
end

-- Forget locks whose time has run out; at the most `limit`.
local function expire_locks(limit)
  for _, key in ipairs(call('ZRANGEBYSCORE', LOCK_ENDS, '-inf', NOW, 'LIMIT', 0, limit)) do
    drop_lock(key)
  end
end
