-- The store's own time, read once: a script sees one instant. Microseconds since the epoch fit a double exactly.
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- Sixteen digits, so that values can carry instants in front at fixed places, and never 1.7e+15.
local function stamp(us)
  return string.format('%016.0f', math.min(us, 9007199254740991))
end

local NOW = stamp(now)
