-- List jobs of a view, the newest first, after a place that need not hold a job any more.
-- Uses: keys clock bulk job records
-- ARGV: view, instant and id after which the page begins (or "" and ""), limit, "1" for whole records, a queue or
--   none for all.
-- Returns: { now, records, instant, id }: the last two where the next page begins, false when this was the last.
-- Changes: nothing.
-- A view is the merge of sorted sets: those of each queue, for jobs that wait also of each priority. In "pending"
-- and "delayed", jobs that were tried before are passed over; a call looks at no more than SCANNED of a set, and
-- then says where to go on.
local view, after, after_id, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local SCANNED, STEP = 10 * limit + 1000, math.max(limit + 1, 100)

-- Whether a place comes before another one: newer first, then the larger id, byte by byte as the sets are sorted.
local function is_before(score, id, other_score, other_id)
  if score ~= other_score then
    return score > other_score
  end
  for n = 1, math.min(#id, #other_id) do
    local byte, other_byte = string.byte(id, n), string.byte(other_id, n)
    if byte ~= other_byte then
      return byte > other_byte
    end
  end
  return #id > #other_id
end

-- Rank, from the newest, of the first member after the page before; found by halving, whatever was taken away.
local function first_rank(key)
  if not after then
    return 0
  end
  local low = call('ZCOUNT', key, '(' .. ARGV[2], '+inf')
  local high = low + call('ZCOUNT', key, ARGV[2], ARGV[2])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(after, after_id, after, call('ZREVRANGE', key, middle, middle)[1]) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local function keep_untried(found, queue)
  local retrying = of_queue('retrying', queue)
  if call('EXISTS', retrying) == 0 then
    return found
  end
  local ids, kept = {}, {}
  for k = 1, #found, 2 do
    ids[#ids + 1] = found[k]
  end
  for n, due in ipairs(read('ZMSCORE', retrying, ids)) do
    if not due then
      kept[#kept + 1] = found[2 * n - 1]
      kept[#kept + 1] = found[2 * n]
    end
  end
  return kept
end

-- Add members of one set to `places`, with one more than the page needs; returns where looking ended if there
-- may be more.
local function gather(source, places)
  local rank, wanted, looked, last = source.rank, limit + 1, 0, nil
  while wanted > 0 and looked < SCANNED do
    local found = call('ZREVRANGE', source.key, rank, math.min(rank + STEP - 1, source.last), 'WITHSCORES')
    if #found == 0 then
      return nil
    end
    rank, looked = rank + #found / 2, looked + #found / 2
    last = { tonumber(found[#found]), found[#found - 1] }
    for k, id in ipairs(source.is_waiting and keep_untried(found, source.queue) or found) do
      if k % 2 == 1 then
        places[#places + 1] = { 0, id }
        wanted = wanted - 1
      else
        places[#places][1] = tonumber(id)
      end
    end
  end
  return last
end

-- The sorted sets of a queue that make up the view: key, first and last rank to look at.
local function sources(queue)
  if view ~= 'pending' and view ~= 'delayed' then
    local key = of_queue(view == 'processing' and 'running' or view, queue)
    return { { key = key, rank = first_rank(key), last = call('ZCARD', key) } }
  end
  local found = {}
  for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
    local key = waiting_key(queue, priority)
    local later, all = call('ZCOUNT', key, '(' .. NOW, '+inf'), call('ZCARD', key)
    local source = { key = key, rank = first_rank(key), last = later - 1, queue = queue, is_waiting = true }
    if view == 'pending' then
      source.rank, source.last = math.max(source.rank, later), all
    end
    if source.rank <= source.last then
      found[#found + 1] = source
    end
  end
  return found
end

-- All places of all queues, sorted, up to where every set was looked at.
local function places_of(queues)
  local places, edge = {}, nil
  for _, queue in ipairs(queues) do
    for _, source in ipairs(sources(queue)) do
      local last = gather(source, places)
      if last and (not edge or is_before(last[1], last[2], edge[1], edge[2])) then
        edge = last
      end
    end
  end
  table.sort(places, function(one, other)
    return is_before(one[1], one[2], other[1], other[2])
  end)
  return places, edge
end

local places, edge = places_of(ARGV[6] and { ARGV[6] } or call('SMEMBERS', QUEUES))
local ids, last = {}, nil
for _, place in ipairs(places) do
  if edge and is_before(edge[1], edge[2], place[1], place[2]) then
    break
  end
  if #ids == limit then
    edge = nil
    last = { tonumber(places[limit][1]), places[limit][2] }
    break
  end
  ids[#ids + 1] = place[2]
end
last = last or edge
return { NOW, records(ids, ARGV[5] == '1'), last and stamp(last[1]) or false, last and last[2] or false }
