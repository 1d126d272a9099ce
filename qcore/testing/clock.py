"""The host's clock, and what a test skips of it."""

from __future__ import annotations

from qcore.clock import SystemClock


class SkippingClock(SystemClock):
    """Runs with the host's, which a test may have stopped or moved, and can be sent ahead of it."""

    def __init__(self) -> None:
        self._ahead_us = 0

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return super().wall_us() + self._ahead_us

    def skip_to(self, at_us: int) -> None:
        """Let it be that instant, if it is not later already."""
        self._ahead_us += max(0, at_us - self.wall_us())
