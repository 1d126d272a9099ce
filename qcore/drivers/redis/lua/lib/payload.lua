-- The payload in a value of `jobs`, and putting another in its place.

-- Where the facts end that stand before the payload.
local function facts_end(header)
  return FACTS + tonumber(string.sub(header, 18, FACTS))
end

local function payload_of(header, apart)
  return apart or string.sub(header, facts_end(header) + 1)
end

-- Write the value of `jobs` anew, with these facts and that payload; when it was created stays.
local function store_payload(id, header, facts, payload)
  local created, sized = string.sub(header, 1, 16), string.format('%04d', #facts) .. facts
  if #payload <= INSIDE then
    call('HDEL', PAYLOADS, id)
    call('HSET', JOBS, id, created .. 'i' .. sized .. payload)
  else
    call('HSET', PAYLOADS, id, payload)
    call('HSET', JOBS, id, created .. 'x' .. sized)
  end
end
