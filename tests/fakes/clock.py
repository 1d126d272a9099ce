"""Time that passes when the test says so."""

from __future__ import annotations

NOON_US = 1_767_268_800_000_000
"""Where a clock begins: 1 January 2026, 12:00 UTC."""


class FakeClock:
    """A `qcore.clock.Clock`."""

    def __init__(self, at_us: int = NOON_US) -> None:
        self._at_us = at_us
        self._passed_us = 0

    def wall_us(self) -> int:
        return self._at_us + self._passed_us

    def monotonic(self) -> float:
        return self._passed_us / 1_000_000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_us += round(seconds * 1_000_000)
