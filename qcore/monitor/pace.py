"""How fast queues move of late, and so when they are empty."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from qcore.measures import MINUTE_US, NEVER, Reading, Span
from qcore.monitor.measured import ended_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qcore.drivers import Store

_LATELY = 5
"""Minutes over which a pace is taken, besides the one under way."""


def paces(store: Store, now_us: int) -> Mapping[str, float]:
    """Jobs that ended well or failed in each queue, by the minutes since the first measured of late; 0 of others.

    Only what is summed up for the last minutes is read: it takes no longer where a queue holds more jobs.

    Args:
        store: which has measured them.
        now_us: the present, microseconds since the epoch.

    Raises:
        ConnectionFailed: the store does not answer.
    """
    now = now_us / MINUTE_US
    of_queue: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in store.readings(Span.MINUTE, int(now) - _LATELY, NEVER):
        of_queue[reading.queue].append(reading)
    found: defaultdict[str, float] = defaultdict(float)
    for queue, readings in of_queue.items():
        minutes = max(1.0, now - min(one.minute for one in readings))
        found[queue] = sum(ended_in(one.spreads) for one in readings) / minutes
    return found


def clears_in_s(waiting: int, per_s: float) -> float | None:
    """Seconds until nothing waits, if so many jobs leave a second; 0 where none waits, None where none leaves."""
    if not waiting:
        return 0.0
    return waiting / per_s if per_s > 0 else None
