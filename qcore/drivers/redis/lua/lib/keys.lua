-- Names of every key; what each holds, its owner and its end stand in keys.py.
-- KEYS[1]: "{prefix}:", the one hash tag under which all keys of a connection live.
local call = redis.call
local root = KEYS[1]
local QUEUES, JOBS, PAYLOADS = root .. 'queues', root .. 'jobs', root .. 'payloads'
local LEASES, LAPSES, ENDS = root .. 'leases', root .. 'lapses', root .. 'ends'
local MARKS, HISTORY, PROGRESS = root .. 'marks', root .. 'history', root .. 'progress'
local RESULTS, EXPIRIES = root .. 'results', root .. 'expiries'
local LOCKS, LOCK_NAMES, LOCK_ENDS = root .. 'locks', root .. 'locknames', root .. 'lockends'
local EXCLUSIVE = root .. 'exclusive'
local LIMITS, LIMIT_NAMES, LIMIT_ENDS = root .. 'limits', root .. 'limitnames', root .. 'limitends'
local SLOTS, SLOT_ENDS = root .. 'slots', root .. 'slotends'
local WORKERS, SUPERVISORS, OVERDUE = root .. 'workers', root .. 'supervisors', root .. 'overdue'

local MINUTES = root .. 'minutes'

local INSIDE = 1024 -- bytes of a payload that is stored with the facts: one key less to look up

local function of_queue(kind, queue)
  return root .. kind .. ':' .. queue
end

local function waiting_key(queue, priority)
  return root .. 'waiting:' .. queue .. ':' .. priority
end
