-- Read one job whole, wherever it is in its life.
-- Uses: keys clock bulk job records
-- ARGV: id.
-- Returns: { now, { record } }, or { now, {} } when there is no such job (see lib/records.lua).
-- Changes: nothing.
return { NOW, records({ ARGV[1] }, true) }
