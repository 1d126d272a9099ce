-- Putting jobs back where workers find them.

-- Let jobs wait. Each entry has id, queue, priority, due, and `tried` if an attempt was charged.
local function wait_all(entries)
  local places, firsts, retrying = {}, {}, {}
  for _, entry in ipairs(entries) do
    local queue, id, due = entry.queue, entry.id, stamp(entry.due)
    places[queue] = places[queue] or {}
    local place = places[queue][entry.priority] or {}
    places[queue][entry.priority] = place
    place[#place + 1] = due
    place[#place + 1] = id
    firsts[queue] = math.min(firsts[queue] or NEVER, entry.due)
    if entry.tried then
      retrying[queue] = retrying[queue] or {}
      table.insert(retrying[queue], due)
      table.insert(retrying[queue], id)
    end
  end
  for queue, by_priority in pairs(places) do
    for priority, place in pairs(by_priority) do
      bulk('ZADD', waiting_key(queue, priority), place)
      open_priority(queue, priority)
    end
    if retrying[queue] then
      bulk('ZADD', of_queue('retrying', queue), retrying[queue])
    end
    ring(queue, firsts[queue])
  end
end
