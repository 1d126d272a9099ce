-- How long ended jobs stay. Trimmed by those who add to it, a few more than they add, never by a scan.
-- The numbers are COMPLETED_KEPT, COMPLETED_KEPT_S and COMPLETED_FRESH_S of the protocol, filled in on loading.
local KEPT, KEPT_US, FRESH_US = $KEPT, $KEPT_S * 1000000, $FRESH_S * 1000000

-- How many a step that adds `added` may trim: a quarter more, so that what piled up goes, and no step is long.
local function share(added)
  return math.floor(added * 1.25) + 16
end

-- Forget jobs wholly; whoever calls took them off their lists.
local function drop(ids)
  bulk('HDEL', JOBS, ids)
  bulk('HDEL', ENDS, ids)
  if call('EXISTS', PAYLOADS, MARKS, HISTORY, PROGRESS, RESULTS) > 0 then
    bulk('HDEL', PAYLOADS, ids)
    bulk('HDEL', MARKS, ids)
    bulk('HDEL', HISTORY, ids)
    bulk('HDEL', PROGRESS, ids)
    bulk('HDEL', RESULTS, ids)
    bulk('ZREM', EXPIRIES, ids)
  end
end

-- Drop those without a result; one with a result leaves the list, but stays to be found until that expires.
local function drop_unless_awaited(ids)
  if call('EXISTS', EXPIRIES) == 0 then
    return drop(ids)
  end
  local over = {}
  for n, expiry in ipairs(read('ZMSCORE', EXPIRIES, ids)) do
    if not expiry or tonumber(expiry) <= now then
      over[#over + 1] = ids[n]
    end
  end
  drop(over)
end

-- Trim a queue's `completed` or `cancelled` by age and by number; at the most `limit` jobs.
local function trim(view, queue, limit)
  local key = of_queue(view, queue)
  local excess = call('ZCARD', key) - KEPT
  local before = now - KEPT_US
  if excess > 0 then
    limit, before = math.min(limit, excess), now - FRESH_US
  end
  local ids = call('ZRANGEBYSCORE', key, '-inf', stamp(before), 'LIMIT', 0, limit)
  if #ids > 0 then
    call('ZREMRANGEBYRANK', key, 0, #ids - 1)
    drop_unless_awaited(ids)
  end
end

-- Let results end whose time is over, and with them jobs that stayed for their sake alone.
local function expire_results(limit)
  local ids = call('ZRANGEBYSCORE', EXPIRIES, '-inf', NOW, 'LIMIT', 0, limit)
  if #ids == 0 then
    return
  end
  bulk('ZREM', EXPIRIES, ids)
  bulk('HDEL', RESULTS, ids)
  local over = {}
  for n, header in ipairs(read('HMGET', JOBS, ids)) do
    if header and not call('ZSCORE', of_queue('completed', describe(header).queue), ids[n]) then
      over[#over + 1] = ids[n]
    end
  end
  drop(over)
end
