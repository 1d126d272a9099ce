-- One command over many members. `unpack` copies onto a stack of 8,000, so long lists go in portions.
local PORTION = 4000

local function bulk(command, key, members)
  for first = 1, #members, PORTION do
    call(command, key, unpack(members, first, math.min(first + PORTION - 1, #members)))
  end
end

-- Read one value for each member; false where there is none.
local function read(command, key, members)
  if #members == 0 then
    return {}
  end
  if #members <= PORTION then
    return call(command, key, unpack(members))
  end
  local values = {}
  for first = 1, #members, PORTION do
    local part = call(command, key, unpack(members, first, math.min(first + PORTION - 1, #members)))
    for _, value in ipairs(part) do
      values[#values + 1] = value
    end
  end
  return values
end

-- The same for a hash that most of the time is not there at all.
local function read_rare(key, members)
  return call('EXISTS', key) == 1 and read('HMGET', key, members) or {}
end

-- A server that is out of memory refuses a script whose first write adds something; after one that takes something
-- away it lets all others pass. What keeps an earlier promise begins with this, so that it never fails for want of
-- room; `push` does not, so that it fails wholly.
local function insist()
  call('HDEL', LEASES, '')
end
