-- Store envelopes as push does, some of which need unique locks: all that get theirs, or none.
-- Uses: keys clock bulk job locks bell limits waiting window cancel enter
-- ARGV: number of groups, then the groups (see lib/enter.lua); a job that needs a lock is a group by itself, whose
--   capacity is followed by msgpack [key, kind, microseconds it lasts or 0, whether it replaces a holder that waits,
--   microseconds it may wait since the first of those that were replaced, or 0].
-- Returns: { "full", queue, max_jobs, held } of a queue that has no room, and then nothing changed; or
--   { "refused", ids of those whose lock another job holds }.
-- Changes: jobs, payloads, waiting, priorities, queues, wake, locks; of those that are replaced what cancel changes.
local refused, holders, by_queue = { 'refused' }, {}, {}

-- Who holds a key as seen after the groups before; what waits may be replaced.
local function holder_by_now(key)
  if holders[key] == nil then
    local holder = holder_of(key)
    if holder then
      local header = call('HGET', JOBS, holder.owner)
      holder.facts = header and describe(header)
      holder.is_waiting = header and due_in_queue(holder.owner, holder.facts)
    end
    holders[key] = holder or false
  end
  return holders[key]
end

-- Decide what becomes of the one new job of a group, without changing anything.
local function decide(group, asked)
  local id, key, holder = ARGV[group.new[1]], asked[1], holder_by_now(asked[1])
  if holder and not (asked[4] and holder.is_waiting) then
    group.new = {}
    refused[#refused + 1] = id
    return
  end
  local first = holder and holder.first or now
  if asked[5] > 0 then
    group.due = math.min(group.due, first + asked[5])
  end
  group.claim = { key = key, id = id, kind = asked[2], for_us = asked[3], first = first }
  group.replaced = holder and holder.owner
  group.is_bound = group.is_bound and not holder
  holders[key] = { owner = id, first = first, is_waiting = true }
end

local function replace(id)
  local facts = describe(call('HGET', JOBS, id))
  finish_cancelled(id, facts, withdraw(id, facts.queue, facts.priority))
  by_queue[facts.queue] = (by_queue[facts.queue] or 0) + 1
end

local groups = read_groups(2, tonumber(ARGV[1]))
mark_new(groups)
for _, group in ipairs(groups) do
  local asked = ARGV[group.first - 2]
  if #asked > 1 and #group.new > 0 and not group.flow then
    decide(group, cmsgpack.unpack(string.sub(asked, 2)))
  end
end
local full = full_queue(groups)
if full then
  return { 'full', full[1], full[2], full[3] }
end
for _, group in ipairs(groups) do
  if group.replaced then
    replace(group.replaced)
  end
  enter({ group })
  local claim = group.claim
  if claim then
    take_lock(claim.key, claim.id, claim.kind, claim.for_us, claim.first)
  end
end
after_cancelling(by_queue)
return refused
