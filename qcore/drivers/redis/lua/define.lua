-- Publish what `define_queue` says of queues.
-- Uses: keys
-- ARGV: for each queue: name, definition (msgpack), `max_jobs` or "".
-- Changes: queues, queue.
for at = 1, #ARGV, 3 do
  local key = of_queue('queue', ARGV[at])
  call('SADD', QUEUES, ARGV[at])
  call('HSET', key, 'definition', ARGV[at + 1])
  if ARGV[at + 2] == '' then
    call('HDEL', key, 'max_jobs')
  else
    call('HSET', key, 'max_jobs', ARGV[at + 2])
  end
end
