"""Time, injected, so that tests own it. The store's clock rules leases, delays and windows; this one the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_S = 10 * 366 * 86_400
"""Seconds, some ten years: a time beyond it is a mistake, such as milliseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


class Clock(Protocol):
    """Two readings of time."""

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The host's own clock."""

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


def instant(us: int) -> datetime:
    """Turn microseconds since the epoch into an aware UTC datetime: the nearest, where no calendar reaches so far."""
    try:
        return min(max(_EPOCH + timedelta(microseconds=us), _FIRST), _LAST)
    except OverflowError:
        return _LAST if us > 0 else _FIRST


def microseconds(at: datetime) -> int:
    """Turn an aware datetime into microseconds since the epoch; a naive one is taken as local time."""
    return round(at.timestamp() * 1_000_000)
