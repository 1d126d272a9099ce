-- What was measured of jobs, in spans of one kind.
-- Uses: keys clock bulk measure
-- ARGV: minutes of a span, the first minute, the minute before which the last span begins.
-- Returns: { { minute, fields and values, … } of spans that are summed up, the same of minutes that are not }.
-- Changes: nothing.
local span, first, after = tonumber(ARGV[1]), ARGV[2], '(' .. ARGV[3]
local known, cells = {}, {}
for _, start in ipairs(call('ZRANGEBYSCORE', root .. 'sums:' .. span, first, after)) do
  known[#known + 1], known[#known + 2] = start, call('HGETALL', of_span(span, tonumber(start)))
end
for _, minute in ipairs(call('ZRANGEBYSCORE', MINUTES, first, after)) do
  cells[#cells + 1], cells[#cells + 2] = minute, call('HGETALL', of_minute(tonumber(minute)))
end
return { known, cells }
