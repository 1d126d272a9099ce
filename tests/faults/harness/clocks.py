"""A host whose clock is wrong: `time.time` and `time.time_ns` differ by so many seconds as a file says.

As a hook (`FAULTS_HOOKS=harness.clocks`) it is installed before the host forks; the file may change at any time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

FILE = "FAULTS_CLOCK"
_LOOK_EVERY_S = 0.02


class Skew:
    """The difference, in seconds, in a file that a test writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = 0.0
        self._looked_at = -1.0

    def set(self, seconds: float) -> None:
        """Let the clock be wrong by so much from now on."""
        new = self._path.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._path)

    def __call__(self) -> float:
        now = time.monotonic()
        if now > self._looked_at + _LOOK_EVERY_S:
            self._looked_at, self._seconds = now, float(self._path.read_text())
        return self._seconds


def install() -> None:
    """Put the clock wrong."""
    skew = Skew(Path(os.environ[FILE]))
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + skew()
    time.time_ns = lambda: nanoseconds() + round(skew() * 1_000_000_000)
