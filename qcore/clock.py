"""Time, injected, so that tests own it. The store's clock rules leases, delays and windows; this one the rest."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_S = 10 * 366 * 86_400
"""Seconds, some ten years: a time beyond it is a mistake, such as milliseconds."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")
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


class TooLongError(ValueError):
    """A length of time beyond all use."""


def parse_duration(text: str) -> float:
    """Read a length of time as people type it: `90`, `90s`, `5m`, `1h30m`, `2d`; returns seconds.

    Raises:
        ValueError: it is none, with the accepted forms in the message, or beyond 10 years.
    """
    spans = _SPAN.findall(text)
    if not spans or _SPAN.sub("", text).strip() or (len(spans) > 1 and any(not unit for _, unit in spans)):
        raise ValueError(f"{text!r} is no duration; write 90, 90s, 5m, 1h30m or 2d")
    total_s = sum(float(number) * _UNITS[unit or "s"] for number, unit in spans)
    if total_s > LONGEST_S:
        raise TooLongError(f"{text!r} is beyond 10 years")
    return total_s
