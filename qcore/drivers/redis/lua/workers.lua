-- Tell of the workers that have not been silent for too long.
-- Uses: keys clock bulk
-- ARGV: none.
-- Returns: for each worker: last report (16 digits) and record, as one string.
-- Changes: nothing.
return read('HMGET', WORKERS, call('ZRANGEBYSCORE', OVERDUE, '(' .. NOW, '+inf'))
