-- All that is kept of jobs, for people. `whole` adds payload and result.

-- When a job that waits is due; false if it does not wait.
local function due_of(id, header)
  local facts = describe(header)
  local due = call('ZSCORE', waiting_key(facts.queue, facts.priority), id)
  return due or false
end

-- For each id that is known: { id, value of `jobs`, lease, end, due, marks, progress, payload kept apart, history, result }.
local function records(ids, whole)
  local headers, leases, ends = read('HMGET', JOBS, ids), read('HMGET', LEASES, ids), read('HMGET', ENDS, ids)
  local marks, progress = read_rare(MARKS, ids), read_rare(PROGRESS, ids)
  local payloads = whole and payloads_apart(ids, headers) or {}
  local histories = read_rare(HISTORY, ids)
  local results = whole and read_rare(RESULTS, ids) or {}
  local rows = {}
  for n, id in ipairs(ids) do
    if headers[n] then
      local is_waiting = not leases[n] and not ends[n]
      rows[#rows + 1] = {
        id, headers[n], leases[n], ends[n], is_waiting and due_of(id, headers[n]), marks[n] or false,
        progress[n] or false, payloads[n] or false, histories[n] or false, results[n] or false,
      }
    end
  end
  return rows
end
