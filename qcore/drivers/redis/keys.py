"""Every key of a connection: what it holds, whose it is, and when it ends.

All names begin with `{prefix}:`. The braces are the hash tag of Redis Cluster: one settlement touches several queues
and lists in one step, so all keys of a connection live on one shard. `<q>` is a queue, `<p>` a priority, `<w>` a
worker, `<a>` an address, `<t>` a token, `<f>` a flow, `<k>` its kind, `<m>` a minute since the epoch, `<s>` the minutes
of a span. The scripts build the names by themselves (`lua/lib/keys.lua`); a test compares what a full life leaves with
this table.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Key(NamedTuple):
    """One kind of key."""

    name: str
    kind: str
    """Redis type."""
    holds: str
    owner: str
    end: str


KEYS = (
    Key("queues", "set", "names of all queues ever defined, paused or used", "connection", "never"),
    Key("queue:<q>", "hash", "definition, max_jobs, limit, pause, totals of ended jobs", "queue", "never"),
    Key("priorities:<q>", "zset", "priorities with waiting jobs, larger first", "queue", "its last waiting job"),
    Key("waiting:<q>:<p>", "zset", "ids by due time: due ones and later ones alike", "job", "reserve, cancel, clear"),
    Key("retrying:<q>", "zset", "those of them that were tried before, by due time", "job", "reserve, cancel, clear"),
    Key("running:<q>", "zset", "leased ids by when they were reserved", "lease", "settle, reclaim, forfeit"),
    Key("completed:<q>", "zset", "ids by end", "job", "the window: 10,000 jobs or an hour"),
    Key("cancelled:<q>", "zset", "ids by end", "job", "the window: 10,000 jobs or an hour"),
    Key("failed:<q>", "zset", "ids by end", "job", "retry, forget, flush"),
    Key("wake:<q>", "list", "one token while somebody should look for work", "queue", "whoever takes it, reserve"),
    Key("jobs", "hash", "id → created, class, queue, priority, tags, payload", "job", "with the job's last list"),
    Key("payloads", "hash", "id → payload above 1 KiB", "job", "with the job; above 64 KiB when it completed"),
    Key("leases", "hash", "id → due, reserved, flags, token", "lease", "settle, reclaim, forfeit"),
    Key("lapses", "zset", "leased ids by when the lease runs out", "lease", "settle, reclaim, forfeit"),
    Key("ends", "hash", "id → ended, due, reserved, token, outcome, error", "job", "with the job, or its retry"),
    Key("marks", "hash", "id → tries, crashes, last end; only where there are any", "job", "with the job, its retry"),
    Key("history", "hash", "id → errors of its attempts", "job", "with the job"),
    Key("progress", "hash", "id → percent and note", "job", "with the job, or when it waits again"),
    Key("results", "hash", "id → until when, result", "job", "result_ttl, by settle and reclaim"),
    Key("expiries", "zset", "ids with a result by when it ends", "job", "with the result"),
    Key("locks", "hash", "key → ends, first, taken, kind, owner", "job", "with the job, its start or lease, its time"),
    Key("locknames", "zset", "the keys of locks, all at 0: sorted by name", "lock", "with the lock"),
    Key("lockends", "zset", "those that end by themselves, by when", "lock", "with the lock, by reclaim"),
    Key(
        "limits", "hash", "key → strategy, most, window, starts, slots", "limit", "a window after its last, by reclaim"
    ),
    Key("limitnames", "zset", "the keys of limits, all at 0: sorted by name", "limit", "with the limit"),
    Key("limitends", "zset", "when nothing of them matters any more", "limit", "with the limit"),
    Key("slots", "hash", "id → when it may start, in which limits", "job", "its start, or a day later"),
    Key("slotends", "zset", "ids by that instant", "job", "with the slot"),
    Key("exclusive", "hash", "id → key that the job holds while it is leased", "lease", "settle, reclaim, forfeit"),
    Key("dropped:<t>", "hash", "id → due and value of `jobs` of what an operator dropped", "token", "a day, restore"),
    Key("flows:<k>", "zset", "ids of batches, chains or graphs, all at 0: sorted by age", "flow", "with the flow"),
    Key("flowends", "zset", "ids of those that finished, by when", "flow", "with the flow, or its retry"),
    Key("flow:<f>", "hash", "counters, instants, options and callbacks of a flow", "flow", "7 days after its end"),
    Key("steps:<f>", "hash", "id → where a step is, what it waits for, its job", "flow", "with the flow"),
    Key("stepresults:<f>", "hash", "id → what a step returned", "flow", "with the flow"),
    Key("members:<f>", "set", "ids of jobs of a flow that live", "flow", "its last member, or with the flow"),
    Key("failedof:<f>", "set", "ids of jobs of a flow that failed", "flow", "their retries, or with the flow"),
    Key("minutes", "zset", "minutes whose measures are not summed up", "connection", "the sum"),
    Key("minute:<m>", "hash", "queue, class, measure, bucket → number; or sum", "minute", "the sum, a minute later"),
    Key("sums:<s>", "zset", "spans of one kind that are summed up", "connection", "a day, a month; days stay"),
    Key("sum:<s>:<m>", "hash", "queue, class → measures of a span, packed", "span", "as they; old days into day 0"),
    Key("tags", "set", "tags that somebody monitors", "connection", "whoever ceases to"),
    Key("request:<w>", "string", "number and ids of a worker's last reserve", "worker", "60 s, or an empty reserve"),
    Key("workers", "hash", "worker → last report, record", "worker", "dismiss, or three lease terms of silence"),
    Key("supervisors", "hash", "worker → its supervisor", "worker", "with the worker's record"),
    Key("overdue", "zset", "workers by when their silence is too long", "worker", "with the worker's record"),
    Key("commands:<a>", "list", "commands left for a worker or supervisor", "address", "report, or three lease terms"),
)


def root(prefix: str) -> str:
    """What all keys of a connection begin with."""
    return f"{{{prefix}}}:"


def wake(prefix: str, queue: str) -> str:
    """The list whose token says that there may be work in the queue."""
    return f"{root(prefix)}wake:{queue}"


def kind_of(prefix: str, name: str) -> Key | None:
    """The row of the table that a key of the server belongs to; None for a stranger."""
    for key in KEYS:
        pattern = re.escape(root(prefix)) + re.sub(r"<\w>", ".+", key.name)
        if re.fullmatch(pattern, name, re.DOTALL):
            return key
    return None
