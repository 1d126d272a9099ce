-- How a job's values are laid out.
--   jobs    created (16 digits) · place (1) · size (4) · msgpack [class, queue, priority as text, tags] · payload
--           of a unique job [class, queue, priority as text, tags, [key, kind, microseconds or 0]]
--           of a member [class, queue, priority as text, tags, nil, flow and what it is to it]
--           place is "i" where the payload follows, "x" where it is apart, in `payloads`; size is of the msgpack
--   leases  due (16) · reserved (16) · flags (1) · token
--   ends    ended (16) · due (16) · reserved (16) · flags (1) · msgpack [token, outcome, attempts, exceptions, …]
--   marks   msgpack [attempts, exceptions, crashes, reclaims, last token, last outcome, cancel requested,
--           crash reason], only where one differs from 0, "" and false
-- Flags are the character so far behind "0": 1 the job has begun, 2 somebody asked to cancel it, 4 its payload goes at
-- its end, 8 it is to be interrupted if it runs.
local STARTED, CANCELLING, LARGE, HARD = 1, 2, 4, 8
local LEASE_TOKEN, END_BODY = 34, 50

local FACTS, APART = 21, 120 -- bytes before the msgpack; "x"

local function describe(header)
  local _, facts = cmsgpack.unpack_one(header, FACTS)
  return { queue = facts[2], priority = facts[3], lock = facts[5], told = facts[6] }
end

-- Payloads by position, of those jobs alone that keep theirs apart.
local function payloads_apart(ids, headers)
  local apart, places = {}, {}
  for k, header in ipairs(headers) do
    if header and string.byte(header, 17) == APART then
      apart[#apart + 1] = ids[k]
      places[#places + 1] = k
    end
  end
  local found = {}
  for n, payload in ipairs(read('HMGET', PAYLOADS, apart)) do
    found[places[n]] = payload or nil
  end
  return found
end

local function marks_of(packed)
  return packed and cmsgpack.unpack(packed) or { 0, 0, 0, 0, '', '', false, '' }
end

local function has(flags, flag)
  return math.floor(flags / flag) % 2 == 1
end

local function lease_of(value)
  return {
    due = tonumber(string.sub(value, 1, 16)),
    flags = string.byte(value, 33) - 48,
    token = string.sub(value, LEASE_TOKEN),
  }
end

-- A value of `leases` with other flags.
local function flagged(value, flags)
  return string.sub(value, 1, 32) .. string.char(48 + flags) .. string.sub(value, LEASE_TOKEN)
end
