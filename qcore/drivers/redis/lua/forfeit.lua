-- Give back at once every lease of a worker that is known to be dead.
-- Uses: keys clock bulk job locks bell waiting entries release
-- ARGV: worker, then for each job that is charged: id, reason.
-- Returns: how many jobs were given back.
-- Changes: leases, lapses, running, marks, progress, waiting, priorities, retrying, wake, locks.
-- It looks through the leases of all: workers die seldom, and an index would cost every reserve and every settle.
local STEP = 1000

-- Leases of the worker: id → value. A scan may show one twice.
local function held_leases(worker)
  local held, cursor = {}, '0'
  repeat
    local step = call('HSCAN', LEASES, cursor, 'COUNT', STEP)
    local found = step[2]
    for k = 1, #found, 2 do
      if string.match(string.sub(found[k + 1], LEASE_TOKEN), '^(.*)/') == worker then
        held[found[k]] = found[k + 1]
      end
    end
    cursor = step[1]
  until cursor == '0'
  return held
end

local function spare(_, lease)
  return lease.due
end

local function charge(reason)
  return function(marks, lease)
    marks[1], marks[3], marks[8] = marks[1] + 1, marks[3] + 1, reason
    return lease.due
  end
end

insist()
local changes, entries, ids = {}, {}, {}
for at = 2, #ARGV, 2 do
  changes[ARGV[at]] = charge(ARGV[at + 1])
end
for id, lease in pairs(held_leases(ARGV[1])) do
  entries[#entries + 1] = { id = id, lease = lease, change = changes[id] or spare }
  ids[#ids + 1] = id
end
free_exclusive(ids)
return #entries > 0 and #give_back(entries) or 0
