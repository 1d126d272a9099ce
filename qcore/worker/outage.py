"""A store that does not answer: growing, jittered pauses, and a line about it, and what it cost, now and then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from qcore.errors import QueueError

_FIRST_S = 0.05
_MOST_S = 3.0
"""A store that answers again is heard within 5 s: this, and the time that a busy host takes to connect."""
_SAY_EVERY_S = 1.0


class Outage:
    """Which connections are out of reach, and how long to wait before the next look.

    Args:
        trouble: told of an outage that began or goes on, of its end, and of ends of attempts that came too late:
            a line a second at the most.
    """

    def __init__(self, trouble: Callable[[str], None]) -> None:
        self._trouble = trouble
        self._pauses: dict[str, float] = {}
        self._unended: set[str] = set()
        self._refused: list[str] = []
        self._said_at = -_SAY_EVERY_S

    @property
    def is_on(self) -> bool:
        """Whether a connection is out of reach."""
        return bool(self._pauses)

    @property
    def pause_s(self) -> float:
        """Seconds to wait before the next look; 0 when all is well."""
        return _jittered(max(self._pauses.copy().values(), default=0.0))

    def pause_of(self, connection: str) -> float:
        """Seconds to wait before the next look at one connection."""
        return _jittered(self._pauses.get(connection, 0.0))

    def failed(self, connection: str, error: QueueError) -> None:
        """Note that a store did not answer."""
        self._pauses[connection] = min(_MOST_S, self._pauses.get(connection, _FIRST_S / 2) * 2)
        if self._say(error.message):
            self._unended.add(connection)

    def answered(self, connection: str) -> None:
        """Note that a store answers; the end of an outage that was told is told too, a moment later if need be."""
        if not self._pauses and not self._unended:
            return
        self._pauses.pop(connection, None)
        if connection in self._unended and self._say(f'connection "{connection}" answers again'):
            self._unended.discard(connection)

    def refused(self, end: str) -> None:
        """Note that a store refused the end of an attempt, given in words; `tell` tells of it."""
        self._refused.append(end)

    def tell(self, *, at_once: bool = False) -> None:
        """Tell of the ends that were refused, all in one line, once a line may be said, or at once."""
        if not self._refused:
            return
        others = len(self._refused) - 1
        line = (
            f"{self._refused[0]}; so {'was' if others == 1 else 'were'} {others} more" if others else self._refused[0]
        )
        if self._say(line, at_once=at_once):
            self._refused.clear()

    def _say(self, line: str, *, at_once: bool = False) -> bool:
        now = time.monotonic()
        if not at_once and now - self._said_at < _SAY_EVERY_S:
            return False
        self._said_at = now
        self._trouble(line)
        return True


def _jittered(pause_s: float) -> float:
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret
