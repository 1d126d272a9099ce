"""How things move: rates and their history, made of what was seen one look after the other. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from qcore.monitor import pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.glance import Glance
    from qcore.monitor.snapshots import QueueSnapshot

KEPT = 300
"""Looks that a history holds."""
_NEAREST = 3
"""Looks over which a rate is taken, so that one quiet look is no standstill."""


class _Seen(NamedTuple):
    at_s: float
    ended: int
    failed: int
    held: int

    @property
    def entered(self) -> int:
        return self.ended + self.held


class Trend:
    """How one queue moves, or all of them."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=_NEAREST + 1)
        self.out: deque[float] = deque(maxlen=KEPT)
        """Jobs that ended in a second, oldest first."""
        self.into: deque[float] = deque(maxlen=KEPT)
        """Jobs that entered in a second."""
        self.failed = 0
        """Jobs that failed since the first look."""

    def add(self, at_s: float, queues: Sequence[QueueSnapshot]) -> None:
        """Take note of a look at these queues together."""
        now = _Seen(at_s, *map(sum, zip(*map(_numbers, queues), strict=True))) if queues else _Seen(at_s, 0, 0, 0)
        if self._seen and at_s > self._seen[-1].at_s:
            before = self._seen[-1]
            passed_s = at_s - before.at_s
            self.out.append(max(0, now.ended - before.ended) / passed_s)
            self.into.append(max(0, now.entered - before.entered) / passed_s)
            self.failed += max(0, now.failed - before.failed)
        self._seen.append(now)

    @property
    def out_per_s(self) -> float:
        """Jobs that end in a second, of late."""
        return self._of_late(self.out)

    @property
    def in_per_s(self) -> float:
        """Jobs that enter in a second, of late."""
        return self._of_late(self.into)

    def _of_late(self, history: deque[float]) -> float:
        last = list(history)[-_NEAREST:]
        return sum(last) / len(last) if last else 0.0


class Trends:
    """The trends of every queue, and of all together."""

    def __init__(self) -> None:
        self.all = Trend()
        self._queues: dict[str, Trend] = {}

    def add(self, glance: Glance) -> None:
        """Take note of a look; queues that are gone are forgotten."""
        self.all.add(glance.at_s, glance.stats.queues)
        for queue in glance.stats.queues:
            self._queues.setdefault(queue.name, Trend()).add(glance.at_s, [queue])
        gone = self._queues.keys() - {queue.name for queue in glance.stats.queues}
        for name in gone:
            del self._queues[name]

    def of(self, queue: str) -> Trend:
        """The trend of one queue."""
        return self._queues.get(queue) or Trend()


def clears_in_s(queue: QueueSnapshot, trend: Trend) -> float | None:
    """Seconds until a queue is empty, as it was measured of late, or where nothing was, as it moves before one's eyes.

    0 of an empty one, None where it does not get shorter.
    """
    if queue.clears_in_s is not None:
        return queue.clears_in_s
    return pace.clears_in_s(queue.pending + queue.retrying, trend.out_per_s - trend.in_per_s)


def _numbers(queue: QueueSnapshot) -> tuple[int, int, int]:
    ended = queue.completed + queue.cancelled + queue.failed
    return ended, queue.failed, queue.pending + queue.delayed + queue.processing + queue.retrying
