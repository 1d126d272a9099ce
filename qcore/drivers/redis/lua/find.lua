-- Read jobs whole, wherever they are in their lives.
-- Uses: keys clock bulk job records
-- ARGV: ids.
-- Returns: { now, records } of those that are there (see lib/records.lua).
-- Changes: nothing.
return { NOW, records(ARGV, true) }
