-- Leasing jobs. A worker's last request is remembered, so that one whose reply was lost can be repeated.
local LARGE_PAYLOAD = 65536 -- bytes above which a payload is not kept after its job has ended
local REMEMBERED_MS = 60000 -- a reply is asked for again within seconds, or never

-- Add to the reply what the client needs of leased jobs; what few of them have goes apart.
local function hand_over(reply, ids, dues, headers, payloads, marks)
  local jobs, rare = reply[2], reply[3]
  local histories, n = read_rare(HISTORY, ids), #jobs
  for k, id in ipairs(ids) do
    jobs[n + 1], jobs[n + 2], jobs[n + 3] = id, dues[k], headers[k]
    n = n + 3
    if marks[k] or histories[k] or payloads[k] then
      rare[#rare + 1] = id
      rare[#rare + 1] = marks[k] or ''
      rare[#rare + 1] = histories[k] or ''
      rare[#rare + 1] = payloads[k] or ''
    end
  end
end

-- The leases of a request that was answered before: those that the worker still holds.
local function give_again(reply, ids, token)
  local held, dues = {}, {}
  for n, lease in ipairs(read('HMGET', LEASES, ids)) do
    if lease and string.sub(lease, LEASE_TOKEN) == token then
      held[#held + 1] = ids[n]
      dues[#dues + 1] = string.sub(lease, 1, 16)
      reply[1] = string.sub(lease, 17, 32)
    end
  end
  local headers = read('HMGET', JOBS, held)
  hand_over(reply, held, dues, headers, payloads_apart(held, headers), read_rare(MARKS, held))
  return reply
end

-- Take up to `limit` due jobs off one queue; returns their ids and due times.
local function take_due(queue, limit)
  local ids, dues, n = {}, {}, 0
  for _, priority in ipairs(call('ZRANGE', of_queue('priorities', queue), 0, -1)) do
    local key = waiting_key(queue, priority)
    local found = call('ZRANGEBYSCORE', key, '-inf', NOW, 'WITHSCORES', 'LIMIT', 0, limit - n)
    for k = 1, #found, 2 do
      n = n + 1
      ids[n], dues[n] = found[k], found[k + 1]
    end
    if #found > 0 then
      call('ZREMRANGEBYRANK', key, 0, #found / 2 - 1)
    end
    close_priority(queue, priority)
    if n == limit then
      break
    end
  end
  return ids, dues
end

-- Leave out jobs that lost their header: only a server that evicts keys makes such, and one must not stop the rest.
local function leave_out_lost(ids, dues)
  local headers = read('HMGET', JOBS, ids)
  for k = #ids, 1, -1 do
    if not headers[k] then
      table.remove(ids, k)
      table.remove(dues, k)
      table.remove(headers, k)
    end
  end
  return headers
end

-- What a lease says after the due time; `small` and `large` are made once for all jobs of a call.
local function tail_of(payload, packed_marks, small, large, token)
  local tail = payload and #payload > LARGE_PAYLOAD and large or small
  if packed_marks and marks_of(packed_marks)[7] then
    return NOW .. (CANCELLING + (tail == large and LARGE or 0)) .. token
  end
  return tail
end

-- Lease jobs that were taken off one queue, and add them to the reply.
local function lease(reply, queue, ids, dues, token, lapse)
  local headers = leave_out_lost(ids, dues)
  local payloads, marks = payloads_apart(ids, headers), read_rare(MARKS, ids)
  local leases, lapses, running, retried, n = {}, {}, {}, {}, 0
  local small, large = NOW .. '0' .. token, NOW .. LARGE .. token
  for k, id in ipairs(ids) do
    local due = dues[k]
    leases[n + 1] = id
    leases[n + 2] = (#due == 16 and due or stamp(due)) .. tail_of(payloads[k], marks[k], small, large, token)
    lapses[n + 1], lapses[n + 2] = lapse, id
    running[n + 1], running[n + 2] = NOW, id
    n = n + 2
    if marks[k] then
      retried[#retried + 1] = id
    end
  end
  bulk('HSET', LEASES, leases)
  bulk('ZADD', LAPSES, lapses)
  bulk('ZADD', of_queue('running', queue), running)
  bulk('ZREM', of_queue('retrying', queue), retried)
  hand_over(reply, ids, dues, headers, payloads, marks)
end

-- Lease up to `limit` due jobs of the queues to a worker.
-- Returns { reserved, { id, due, header, … }, { id, marks, history, payload kept apart, … } }.
local function reserve(queues, limit, worker, request, lease_us)
  local reply, token, memory = { NOW, {}, {} }, worker .. '/' .. request, root .. 'request:' .. worker
  local last = call('GET', memory)
  if last and string.sub(last, 1, #request + 1) == request .. ':' then
    return give_again(reply, cmsgpack.unpack(string.sub(last, #request + 2)), token)
  end
  local given, left = {}, limit
  for _, queue in ipairs(queues) do
    if left > 0 and not paused_until(queue) then
      local ids, dues = take_due(queue, left)
      lease(reply, queue, ids, dues, token, stamp(now + lease_us))
      left = left - #ids
      for _, id in ipairs(ids) do
        given[#given + 1] = id
      end
    end
  end
  for _, queue in ipairs(queues) do
    ring_for_rest(queue, left < limit)
  end
  if #given > 0 then
    call('SET', memory, request .. ':' .. cmsgpack.pack(given), 'PX', REMEMBERED_MS)
  elseif last then
    call('DEL', memory)
  end
  return reply
end
