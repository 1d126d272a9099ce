-- Letting jobs that wait be due at another time.

-- Let those among the jobs that wait be due so long from now, with no delay now or before; returns their ids.
local function put_off(jobs, delay)
  local entries, ids = {}, {}
  for n, header in ipairs(read('HMGET', JOBS, jobs)) do
    local id, facts = jobs[n], header and describe(header)
    local was = facts and call('ZSCORE', waiting_key(facts.queue, facts.priority), id)
    if was then
      local due = delay > 0 and now + delay or math.min(now, tonumber(was))
      local tried = call('ZSCORE', of_queue('retrying', facts.queue), id)
      ids[#ids + 1] = id
      entries[#entries + 1] = { id = id, queue = facts.queue, priority = facts.priority, due = due, tried = tried }
    end
  end
  wait_all(entries)
  return ids
end
