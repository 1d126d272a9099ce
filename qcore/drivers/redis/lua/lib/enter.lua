-- Storing new jobs. A group of them is ARGV: class facts (header), queue, priority, "+" or "@", microseconds from
-- now ("+") or since the epoch ("@"), "1" if no capacity binds it or "0", followed by what a unique job asks for (see
-- claim.lua) or by "f" and the flow whose members they are, number of jobs; then for each its id and payload.
local OF_FLOW = 102 -- "f"

-- Read `count` groups that begin at ARGV[at]; returns them and where the next thing begins.
local function read_groups(at, count)
  local groups = {}
  for n = 1, count do
    local us = tonumber(ARGV[at + 4])
    local first = at + 7
    local after = first + 2 * tonumber(ARGV[at + 6])
    groups[n] = {
      facts = string.format('%04d', #ARGV[at]) .. ARGV[at], queue = ARGV[at + 1], priority = ARGV[at + 2],
      due = ARGV[at + 3] == '+' and now + us or us,
      is_bound = string.byte(ARGV[at + 5]) ~= 49, first = first, last = after - 2,
      flow = string.byte(ARGV[at + 5], 2) == OF_FLOW and string.sub(ARGV[at + 5], 3),
    }
    at = after
  end
  return groups, at
end

-- Note for each group which of its ids are new; an id is stored once.
local function mark_new(groups)
  local ids = {}
  for _, group in ipairs(groups) do
    for at = group.first, group.last, 2 do
      ids[#ids + 1] = ARGV[at]
    end
  end
  local headers, n = read('HMGET', JOBS, ids), 0
  for _, group in ipairs(groups) do
    group.new = {}
    for at = group.first, group.last, 2 do
      n = n + 1
      if not headers[n] then
        group.new[#group.new + 1] = at
      end
    end
  end
end

-- The first queue that has no room: its name, `max_jobs` and how many it holds; nil when all have.
local function full_queue(groups)
  local entering = {}
  for _, group in ipairs(groups) do
    if group.is_bound then
      entering[group.queue] = (entering[group.queue] or 0) + #group.new
    end
  end
  for queue, count in pairs(entering) do
    local max = count > 0 and call('HGET', of_queue('queue', queue), 'max_jobs')
    if max then
      local held = held_by(queue)
      if held + count > tonumber(max) then
        return { queue, max, held }
      end
    end
  end
  return nil
end

-- Note which jobs of a flow live.
local function note_members(group)
  local ids = {}
  for n, at in ipairs(group.new) do
    ids[n] = ARGV[at]
  end
  bulk('SADD', root .. 'members:' .. group.flow, ids)
end

-- Store the new jobs of groups that `mark_new` has seen.
local function enter(groups)
  local jobs, payloads, places, n = {}, {}, {}, 0
  for _, group in ipairs(groups) do
    local key = waiting_key(group.queue, group.priority)
    local place = places[key] or { queue = group.queue, priority = group.priority, first = group.due }
    local due, m = stamp(group.due), #place
    local inside, apart = NOW .. 'i' .. group.facts, NOW .. 'x' .. group.facts
    for _, at in ipairs(group.new) do
      local id, payload = ARGV[at], ARGV[at + 1]
      if #payload <= INSIDE then
        jobs[n + 1], jobs[n + 2] = id, inside .. payload
      else
        jobs[n + 1], jobs[n + 2] = id, apart
        payloads[#payloads + 1] = id
        payloads[#payloads + 1] = payload
      end
      place[m + 1], place[m + 2] = due, id
      n, m = n + 2, m + 2
    end
    if group.flow and #group.new > 0 then
      note_members(group)
    end
    if m > 0 then
      place.first = math.min(place.first, group.due)
      places[key] = place
    end
  end
  bulk('HSET', JOBS, jobs)
  bulk('HSET', PAYLOADS, payloads)
  for key, place in pairs(places) do
    bulk('ZADD', key, place)
    open_priority(place.queue, place.priority)
    ring(place.queue, place.first)
  end
end
