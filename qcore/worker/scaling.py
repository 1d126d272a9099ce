"""A pool under a supervisor: looks at its queues now and then, and says how many children each group should have."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from qcore.records import QueueCounts
from qcore.worker.balance import CLEAR_WITHIN_S, PATIENCE, BalanceOptions, Load, balance, ideals
from qcore.worker.group import Group
from qcore.worker.pulse import Pulse

UNKNOWN_S = 1.0
"""How long a job is taken to run where none has ended yet."""
_WEIGHT = 0.5
_STALE_AFTER_S = 60.0
"""A look that takes so long, for one store is silent, begins anew: what the others said has aged."""


class Scaler:
    """Scales the groups of one pool.

    Args:
        groups: of the pool, by name.
        connections: by queue, the name of the connection it lives on.
        options: of the pool.
        cooldown_s: between two looks.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        connections: Mapping[str, str],
        options: BalanceOptions,
        cooldown_s: float,
    ) -> None:
        self._groups = groups
        self._connections = connections
        self._options = options
        self._cooldown_s = cooldown_s
        self._next_look = 0.0
        self._since: float | None = None
        """When the look began for which the stores are asked (monotonic seconds); None between two looks."""
        self._recent: deque[dict[str, float]] = deque(maxlen=PATIENCE)
        self._runtimes = {name: Runtime() for name in groups}

    def scale(self, pulse: Pulse, now: float) -> None:
        """Set what each group should have, once the time has come; a store that is silent changes nothing.

        A look begins by asking the stores, and is over at the call, mostly the next, that finds all their answers.
        """
        if now < self._next_look:
            return
        if self._since is None or now - self._since > _STALE_AFTER_S:
            self._since = now
        counts = self._count(pulse, self._since)
        if counts is None:
            return
        self._next_look, self._since = self._since + self._cooldown_s, None
        loads = {name: self._load(name, group, counts) for name, group in self._groups.items()}
        self._recent.append(ideals(loads, self._options))
        for name, wanted in balance(loads, self._recent, self._options).items():
            self._groups[name].wanted = wanted

    def _count(self, pulse: Pulse, since: float) -> dict[str, QueueCounts] | None:
        """Count the jobs of all queues; None while a store has not answered."""
        found: dict[str, QueueCounts] = {}
        is_whole = True
        for connection in dict.fromkeys(self._connections.values()):
            mine = [queue for queue, lives_on in self._connections.items() if lives_on == connection]
            counts = pulse.counts(connection, mine, since)
            is_whole &= counts is not None
            found |= {one.name: one for one in counts or ()}
        return found if is_whole else None

    def _load(self, name: str, group: Group, counts: Mapping[str, QueueCounts]) -> Load:
        now_us = time.time_ns() // 1000
        jobs = sum(in_hand(counts[queue], now_us) for queue in group.duty.queues if queue in counts)
        runtime_s = self._runtimes[name].learn(*group.totals)
        return Load(jobs=jobs, work_s=jobs * runtime_s, processes=group.wanted)


class Runtime:
    """The mean runtime of a group's jobs, of late."""

    def __init__(self) -> None:
        self._jobs = 0
        self._busy_s = 0.0
        self._mean_s: float | None = None

    def learn(self, jobs: int, busy_s: float) -> float:
        """Take in the totals so far; returns the mean in seconds."""
        ended, took_s = jobs - self._jobs, busy_s - self._busy_s
        self._jobs, self._busy_s = jobs, busy_s
        if ended > 0 and took_s > 0:
            mean_s = took_s / ended
            self._mean_s = mean_s if self._mean_s is None else self._mean_s + _WEIGHT * (mean_s - self._mean_s)
        return UNKNOWN_S if self._mean_s is None else self._mean_s


def in_hand(counts: QueueCounts, now_us: int) -> int:
    """Count the jobs of a queue that processes could work on: those that are due, and those that run.

    Jobs between two tries are counted once they wait although nothing else does.
    """
    if counts.paused:
        return 0
    is_late = counts.oldest_due_us is not None and now_us - counts.oldest_due_us > CLEAR_WITHIN_S * 1e6
    retrying = counts.retrying if is_late and not counts.pending else 0
    return counts.pending + counts.processing + retrying
