-- Put new payloads in the place of old ones, for jobs that wait or have failed and still have the old one.
-- Uses: keys bulk job payload
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

for n, id in ipairs(ids) do
  if is_open(n) and payload_of(headers[n], apart[n]) == olds[n] then
    store_payload(id, headers[n], string.sub(headers[n], FACTS + 1, facts_end(headers[n])), news[n])
    done[#done + 1] = id
  end
end
return done
