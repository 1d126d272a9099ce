-- Put new payloads in the place of old ones, for jobs that wait or have failed and still have the old one.
-- Uses: keys bulk job
-- ARGV: for each change id, old payload, new payload.
-- Returns: the ids changed.
-- Changes: jobs, payloads.
local ids, olds, news, done = {}, {}, {}, {}
for n = 1, #ARGV, 3 do
  ids[#ids + 1], olds[#olds + 1], news[#news + 1] = ARGV[n], ARGV[n + 1], ARGV[n + 2]
end
local headers, leases, ends = read('HMGET', JOBS, ids), read('HMGET', LEASES, ids), read('HMGET', ENDS, ids)
local apart = payloads_apart(ids, headers)

local function is_open(n)
  if leases[n] or not headers[n] then
    return false
  end
  return not ends[n] or call('ZSCORE', of_queue('failed', describe(headers[n]).queue), ids[n])
end

-- Write the value of `jobs` anew: what stands before the payload stays, but for the place.
local function store(id, header, size, payload)
  local created, facts = string.sub(header, 1, 16), string.sub(header, 18, FACTS + size)
  if #payload <= INSIDE then
    call('HDEL', PAYLOADS, id)
    call('HSET', JOBS, id, created .. 'i' .. facts .. payload)
  else
    call('HSET', PAYLOADS, id, payload)
    call('HSET', JOBS, id, created .. 'x' .. facts)
  end
end

for n, id in ipairs(ids) do
  if is_open(n) then
    local size = tonumber(string.sub(headers[n], 18, FACTS))
    if (apart[n] or string.sub(headers[n], FACTS + size + 1)) == olds[n] then
      store(id, headers[n], size, news[n])
      done[#done + 1] = id
    end
  end
end
return done
