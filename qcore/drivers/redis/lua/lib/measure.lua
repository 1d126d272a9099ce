-- What is measured of jobs. Of the minute under way: `minute:<m>`, queue \0 class \0 measure ":" bucket → number, and
-- ":+" → the sum. When another minute begins, those before it are summed up: `sum:<span>:<m>`, queue \0 class → msgpack
-- [measure, sum, number of buckets, then each and its count, …], as in measures.py. Days that are no longer kept are
-- added up in `sum:1440:<EVER>`, which stays.
-- The numbers are those of measures.py, filled in on loading; of a span its minutes, and those that it is kept.
local MINUTE_US, WAIT, DAY, EVER = $MINUTE_US, $WAIT, $DAY, $EVER
local SPANS, OF_OUTCOME = { $SPANS }, { $OF_OUTCOME }

local function of_minute(minute)
  return root .. 'minute:' .. string.format('%.0f', minute)
end

local function of_span(span, minute)
  return root .. 'sum:' .. span .. ':' .. string.format('%.0f', minute)
end

-- As `histogram.bucket_of`.
local function bucket_of(value)
  if value < 32 then
    return math.max(0, value)
  end
  local _, digits = math.frexp(value)
  return (digits - 5) * 16 + math.floor(value / 2 ^ (digits - 5))
end

-- Cells of one minute by queue and class: measure → { sum, buckets }.
local function spreads_in(fields)
  local found = {}
  for n = 1, #fields, 2 do
    local kind, measure, bucket = string.match(fields[n], '(.*)%z(%d+):(.+)')
    local of_kind = found[kind] or {}
    found[kind] = of_kind
    local spread = of_kind[tonumber(measure)] or { 0, {} }
    of_kind[tonumber(measure)] = spread
    if bucket == '+' then
      spread[1] = spread[1] + tonumber(fields[n + 1])
    else
      spread[2][tonumber(bucket)] = (spread[2][tonumber(bucket)] or 0) + tonumber(fields[n + 1])
    end
  end
  return found
end

-- Add to sums what is packed.
local function unpack_into(sums, packed)
  local at, numbers = 1, cmsgpack.unpack(packed)
  while at <= #numbers do
    local sum = sums[numbers[at]] or { 0, {} }
    sums[numbers[at]] = sum
    sum[1] = sum[1] + numbers[at + 1]
    local after = at + 3 + 2 * numbers[at + 2]
    for k = at + 3, after - 1, 2 do
      sum[2][numbers[k]] = (sum[2][numbers[k]] or 0) + numbers[k + 1]
    end
    at = after
  end
end

-- Add to spreads what is packed already, and pack all of it.
local function packed_with(spreads, packed)
  local sums = {}
  for measure, spread in pairs(spreads) do
    sums[measure] = { spread[1], {} }
    for bucket, number in pairs(spread[2]) do
      sums[measure][2][bucket] = number
    end
  end
  if packed then
    unpack_into(sums, packed)
  end
  local all = {}
  for measure, sum in pairs(sums) do
    all[#all + 1], all[#all + 2], all[#all + 3] = measure, sum[1], 0
    local size, count = #all, 0
    for bucket, number in pairs(sum[2]) do
      all[#all + 1], all[#all + 2] = bucket, number
      count = count + 1
    end
    all[size] = count
  end
  return cmsgpack.pack(all)
end

-- Add the days that are no longer kept to what is kept for ever: a counter must not fall.
local function forget_days(starts, before)
  for _, start in ipairs(call('ZRANGEBYSCORE', starts, '(' .. EVER, '(' .. string.format('%.0f', before))) do
    local day, ever = of_span(DAY, tonumber(start)), of_span(DAY, EVER)
    local kinds = call('HGETALL', day)
    for n = 1, #kinds, 2 do
      local sums = {}
      unpack_into(sums, kinds[n + 1])
      call('HSET', ever, kinds[n], packed_with(sums, call('HGET', ever, kinds[n])))
    end
    call('ZADD', starts, EVER, EVER)
    call('DEL', day)
    call('ZREM', starts, start)
  end
end

-- Sum up one minute that is over. Days do not expire: if nothing runs for long, nobody adds them to the rest meanwhile.
local function sum_up(minute, this_minute)
  local spreads = spreads_in(call('HGETALL', of_minute(minute)))
  for _, span in ipairs(SPANS) do
    local start = minute - minute % span[1]
    local key, starts = of_span(span[1], start), root .. 'sums:' .. span[1]
    for kind, its_spreads in pairs(spreads) do
      call('HSET', key, kind, packed_with(its_spreads, call('HGET', key, kind)))
    end
    call('ZADD', starts, start, string.format('%.0f', start))
    if span[1] == DAY then
      call('PERSIST', key)
      call('PERSIST', starts)
      forget_days(starts, this_minute - span[2])
    else
      call('EXPIRE', key, (span[1] + span[2]) * 60)
      call('EXPIRE', starts, (span[1] + span[2]) * 60)
      call('ZREMRANGEBYSCORE', starts, '-inf', '(' .. string.format('%.0f', this_minute - span[2]))
    end
  end
  call('DEL', of_minute(minute))
end

-- Add to the minute under way; `added` is fields and what is added to each.
local function add_measures(added)
  local minute = math.floor(now / MINUTE_US)
  local key = of_minute(minute)
  if call('EXISTS', key) == 0 then
    for _, over in ipairs(call('ZRANGE', MINUTES, 0, -1)) do
      sum_up(tonumber(over), minute)
    end
    call('DEL', MINUTES)
    call('ZADD', MINUTES, minute, string.format('%.0f', minute))
  end
  for n = 1, #added, 2 do
    call('HINCRBY', key, added[n], string.format('%.0f', added[n + 1]))
  end
end

-- What those ends add that were applied, where not all were: the groups that begin at ARGV[at], one by one.
local function measures_of(at, applied)
  local sums, added = {}, {}
  local function add(of, value)
    sums[of .. bucket_of(value)] = (sums[of .. bucket_of(value)] or 0) + 1
    sums[of .. '+'] = (sums[of .. '+'] or 0) + value
  end
  local groups = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, groups do
    local outcome, queue, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    for k = at + 3, at + 2 + 3 * count, 3 do
      local lease, body = applied[ARGV[k]], cmsgpack.unpack(ARGV[k + 2])
      local measure = OF_OUTCOME[outcome] or body[7]
      if lease and measure >= 0 then
        local _, facts = cmsgpack.unpack_one(call('HGET', JOBS, ARGV[k]), FACTS)
        local of = queue .. '\0' .. facts[1] .. '\0'
        local runtime = OF_OUTCOME[outcome] and body[5] or body[6]
        add(of .. measure .. ':', math.floor(runtime * 1000000))
        add(of .. WAIT .. ':', tonumber(string.sub(lease, 17, 32)) - tonumber(string.sub(lease, 1, 16)))
        applied[ARGV[k]] = nil -- an id that is named twice counts once
      end
    end
    at = at + 3 + 3 * count
  end
  for field, number in pairs(sums) do
    added[#added + 1], added[#added + 2] = field, number
  end
  return added
end
