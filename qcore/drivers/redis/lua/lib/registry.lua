-- Workers as they last reported themselves, and commands left for them.

local function commands_key(address)
  return root .. 'commands:' .. address
end

-- Forget workers; what was left for them ends by its own time.
local function forget_workers(ids)
  bulk('HDEL', WORKERS, ids)
  bulk('HDEL', SUPERVISORS, ids)
  bulk('ZREM', OVERDUE, ids)
end

-- Forget those that have been silent for too long.
local function forget_overdue()
  forget_workers(call('ZRANGEBYSCORE', OVERDUE, '-inf', NOW))
end
