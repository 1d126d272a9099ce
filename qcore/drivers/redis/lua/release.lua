-- Let jobs that wait be due so long from now, and with no delay at once; one that is due already keeps its place then.
-- What runs or has ended is left alone.
-- Uses: keys clock bulk job bell waiting entries putting_off
-- ARGV: microseconds, then ids.
-- Returns: the ids of those that waited.
-- Changes: waiting, retrying, wake.
local delay = tonumber(table.remove(ARGV, 1))
insist()
return put_off(ARGV, delay)
