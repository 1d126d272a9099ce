"""What happened of late, kept as it is told: the newest, and never more than so many."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from qcore.filters import Filter, one_of
from qcore.monitor.alerts import Incident, incidents
from qcore.monitor.tail import JobEvent, Tail

if TYPE_CHECKING:
    from qcore.manager import QueueManager

EVENTS_VIEW = "events"
"""The view of a glance that asks for them."""
MOST = 1000
"""Events that are kept."""
_BEFORE = timedelta(minutes=10)
"""How far back the first look goes."""


class Happenings(NamedTuple):
    """What is kept at one moment.

    Args:
        events: oldest first.
        has_gaps: more happened than was looked at.
        incidents: thresholds that are passed now, of which somebody was told.
    """

    events: tuple[JobEvent, ...] = ()
    has_gaps: bool = False
    incidents: tuple[Incident, ...] = ()


class Recent:
    """Reads what happens to the jobs of one connection; nothing before it is first asked.

    Args:
        manager: whose.
        connection: which; the default if None.
        queues: of which alone; all if None.
    """

    def __init__(
        self, manager: QueueManager, connection: str | None = None, queues: Sequence[str] | None = None
    ) -> None:
        self._manager, self._connection, self._queues = manager, connection, queues
        self._tail: Tail | None = None
        self._kept: deque[JobEvent] = deque(maxlen=MOST)
        self._has_gaps = False

    def look(self) -> Happenings:
        """Add what happened since the look before.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        if self._tail is None:
            name = self._manager.settings.connection(self._connection).name
            chosen = Filter() if self._queues is None else one_of("queue", self._queues)
            self._tail = Tail(self._manager, chosen, connection=name, since=datetime.now(UTC) - _BEFORE)
        self._kept.extend(self._tail.look())
        self._has_gaps = self._has_gaps or self._tail.has_skipped
        told = incidents(self._manager.connection(self._connection))
        return Happenings(tuple(self._kept), self._has_gaps, tuple(filter(self._is_chosen, told)))

    def _is_chosen(self, incident: Incident) -> bool:
        return self._queues is None or incident.queue in self._queues
