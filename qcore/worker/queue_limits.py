"""What a lane knows of its queues' own limits, which anybody may set at any time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.limits import Limit

_LOOKS_EVERY_S = 1.0
"""A limit is heeded so soon after it was set."""


class QueueLimits:
    """The limits of queues, read anew once a second while jobs are asked for.

    Args:
        store: where the queues are.
        queues: their names.
    """

    def __init__(self, store: Store, queues: Sequence[str]) -> None:
        self._store = store
        self._queues = queues
        self._known: Mapping[str, Limit] = {}
        self._looked_at = 0.0

    def look(self) -> Mapping[str, Limit]:
        """Return the limits, of those queues that have one; read from the store unless that was a short while ago.

        Raises:
            ConnectionFailed: it did not answer.
        """
        now = time.monotonic()
        if now - self._looked_at >= _LOOKS_EVERY_S:
            self._known = self._store.limited(self._queues)
            self._looked_at = now
        return self._known
