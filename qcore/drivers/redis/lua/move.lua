-- Let jobs that wait, or have failed, go to other queues, past any capacity.
-- Uses: keys clock bulk job locks bell limits waiting entries window cancel payload
-- ARGV: for each job id, queue, the payload it has, the one it gets.
-- Returns: the ids moved; what runs, has ended otherwise or has another payload is left alone.
-- Changes: jobs, payloads, waiting, priorities, retrying, failed, queues, wake.
local wanted, ids, entries, done = {}, {}, {}, {}
for n = 1, #ARGV, 4 do
  ids[#ids + 1] = ARGV[n]
  wanted[#wanted + 1] = { id = ARGV[n], queue = ARGV[n + 1], old = ARGV[n + 2], new = ARGV[n + 3] }
end
insist()
local headers = read('HMGET', JOBS, ids)
local apart = payloads_apart(ids, headers)

-- The facts of a value of `jobs`, with another queue in them: the second of an array's parts.
local function facts_with(header, queue)
  local start = cmsgpack.unpack_one(header, FACTS + 1)
  local after = cmsgpack.unpack_one(header, start)
  return string.sub(header, FACTS + 1, start) .. cmsgpack.pack(queue) .. string.sub(header, after + 1, facts_end(header))
end

-- Take a job off its queue; what is needed to put it on another, nil where it is on none.
local function take_off(id, facts)
  local tried = call('ZSCORE', of_queue('retrying', facts.queue), id)
  local due = withdraw(id, facts.queue, facts.priority)
  if due then
    ring_for_rest(facts.queue, false)
    return { id = id, priority = facts.priority, due = tonumber(due), tried = tried }
  end
  local ended = call('ZSCORE', of_queue('failed', facts.queue), id)
  if ended then
    call('ZREM', of_queue('failed', facts.queue), id)
    return { id = id, ended = ended }
  end
end

for n, one in ipairs(wanted) do
  local header = headers[n]
  if header and payload_of(header, apart[n]) == one.old then
    local entry = take_off(one.id, describe(header))
    if entry then
      store_payload(one.id, header, facts_with(header, one.queue), one.new)
      entry.queue = one.queue
      if entry.ended then
        call('SADD', QUEUES, one.queue)
        call('ZADD', of_queue('failed', one.queue), entry.ended, one.id)
      else
        entries[#entries + 1] = entry
      end
      done[#done + 1] = one.id
    end
  end
end
wait_all(entries)
return done
