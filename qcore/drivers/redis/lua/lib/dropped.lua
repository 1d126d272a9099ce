-- What an operator dropped, kept for a day in case it is missed. A value of `dropped:<t>` is:
--   due (16) · value of `jobs`, with the payload behind it also where that was kept apart
local DUE = 16

local function dropped_key(token)
  return root .. 'dropped:' .. token
end

-- Keep jobs that are about to be dropped, given with their values of `jobs` and when each is due; none for no token.
local function keep_dropped(token, ids, headers, dues)
  if token == '' or #ids == 0 then
    return
  end
  local kept, apart = {}, payloads_apart(ids, headers)
  for n, header in ipairs(headers) do
    if header then
      kept[#kept + 1] = ids[n]
      kept[#kept + 1] = stamp(dues[n]) .. header .. (apart[n] or '')
    end
  end
  bulk('HSET', dropped_key(token), kept)
  call('EXPIRE', dropped_key(token), $DROPPED_KEPT_S)
end
