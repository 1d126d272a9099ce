"""A store that does not answer: growing, jittered pauses, and a line about it now and then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from qcore.errors import QueueError

_FIRST_S = 0.05
_MOST_S = 5.0
_SAY_EVERY_S = 1.0


class Outage:
    """Which connections are out of reach, and how long to wait before the next look.

    Args:
        trouble: told of an outage, at most once a second, and of its end.
    """

    def __init__(self, trouble: Callable[[str], None]) -> None:
        self._trouble = trouble
        self._pauses: dict[str, float] = {}
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
        now = time.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            self._trouble(error.message)

    def answered(self, connection: str) -> None:
        """Note that a store answers again."""
        if self._pauses and self._pauses.pop(connection, None) is not None:
            self._trouble(f'connection "{connection}" answers again')


def _jittered(pause_s: float) -> float:
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret
