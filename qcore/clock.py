"""Time, injected, so that tests own it. The store's clock rules leases, delays and windows; this one the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


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
    """Turn microseconds since the epoch into an aware UTC datetime."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def microseconds(at: datetime) -> int:
    """Turn an aware datetime into microseconds since the epoch; a naive one is taken as local time."""
    return round(at.timestamp() * 1_000_000)
