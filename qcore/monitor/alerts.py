"""Queues that are too long, or wait too long: told once when it begins, and once when it is over.

Who tells is decided by the store. A watcher that sees a threshold passed takes a lock for it, and the one who gets it
tells; whoever sees that it is over frees the lock, and the one who freed it tells. So several watchers of one store,
and watchers that look once and end, tell of an incident once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from qcore.ids import new_id

if TYPE_CHECKING:
    from qcore.manager import QueueManager
    from qcore.monitor.snapshots import QueueSnapshot

INCIDENT_KEPT_S = 7 * 24 * 3600
"""Seconds after which an incident is told again, by one that has not seen it: the lock that stands for it ends."""
_LONGEST_KEY = 190


class QueueSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one queue."""

    queue: str
    connection: str
    size: int
    """Jobs that wait, are delayed, are to be tried again, or run."""
    wait_s: float
    """How long the oldest one that is due has been."""
    over: tuple[str, ...] = ()
    """Which thresholds are passed: `size`, `wait`."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was passed, or no longer is."""

    queue: str
    connection: str
    kind: str
    """`size` or `wait`."""
    state: str
    """`firing` or `over`."""
    value: float
    """Jobs, or seconds."""
    threshold: float
    size: int
    wait_s: float
    at: datetime

    @property
    def text(self) -> str:
        """Tell it in one line."""
        what = f"{self.value:,.0f} jobs" if self.kind == "size" else f"the oldest job waits for {self.value:,.1f} s"
        bound = f"{self.threshold:,g} {'jobs' if self.kind == 'size' else 's'}"
        if self.state == "firing":
            return f"queue {self.queue}: {what}, more than {bound}"
        return f"queue {self.queue}: over; {what}, no more than {bound}"


class Watcher:
    """Looks at queues, and tells what has begun or ended since the store was last told of it.

    Args:
        manager: whose connections are watched.
        queues: which; all that the connections know if empty.
        max_size: jobs above which a queue is too long; None: it never is.
        max_wait_s: seconds above which its oldest job waits too long; None: it never does.
        connections: whose queues are watched where none are named; the default's if empty.
    """

    def __init__(
        self,
        manager: QueueManager,
        queues: Sequence[str] = (),
        *,
        max_size: int | None = 1000,
        max_wait_s: float | None = 60.0,
        connections: Sequence[str] = (),
    ) -> None:
        self._manager = manager
        self._queues = queues
        self._bounds = {
            kind: float(bound) for kind, bound in (("size", max_size), ("wait", max_wait_s)) if bound is not None
        }
        self._connections = connections
        self._open: set[tuple[str, str, str]] = set()

    def look(self) -> tuple[list[QueueSeen], list[Alert]]:
        """Read the queues once; returns what was seen, and what is to be told of it.

        Raises:
            ConnectionFailed: a store does not answer.
        """
        readings = [self._reading(queue) for queue in self._found()]
        return readings, [alert for reading in readings for alert in self._alerts(reading)]

    def _found(self) -> Iterator[QueueSnapshot]:
        from qcore.monitor.monitor import Monitor

        monitor = Monitor(self._manager)
        if not self._queues:
            for connection in self._connections or (None,):
                yield from monitor.stats(None, connection).queues
        groups: dict[str, list[str]] = {}
        for queue in self._queues:
            for name in self._connections or (self._manager.connection_of(queue).name,):
                groups.setdefault(name, []).append(queue)
        for name, queues in groups.items():
            yield from monitor.stats(queues, name).queues

    def _reading(self, queue: QueueSnapshot) -> QueueSeen:
        size = queue.pending + queue.delayed + queue.retrying + queue.processing
        wait_s = queue.oldest_pending_s or 0.0
        values = {"size": float(size), "wait": wait_s}
        over = tuple(kind for kind, bound in self._bounds.items() if values[kind] > bound)
        return QueueSeen(queue=queue.name, connection=queue.connection, size=size, wait_s=wait_s, over=over)

    def _alerts(self, reading: QueueSeen) -> Iterator[Alert]:
        store = self._manager.connection(reading.connection)
        for kind, bound in self._bounds.items():
            key, known = _key(kind, bound, reading.queue), (reading.connection, reading.queue, kind)
            if kind not in reading.over:
                self._open.discard(known)
                if store.release_lock(key):  # each time: another may have begun it, and be gone
                    yield _alert(reading, kind, bound, "over")
            elif known not in self._open:
                is_new = store.take_lock(key, new_id(), INCIDENT_KEPT_S * 1_000_000)
                self._open.add(known)
                if is_new:
                    yield _alert(reading, kind, bound, "firing")


def _key(kind: str, bound: float, queue: str) -> str:
    """The lock that stands for an incident: watchers with other thresholds have their own."""
    key = f"alert:{kind}:{bound:g}:{queue}"
    return key if len(key) <= _LONGEST_KEY else f"alert:{hashlib.sha256(key.encode()).hexdigest()}"


def _alert(reading: QueueSeen, kind: str, bound: float, state: str) -> Alert:
    return Alert(
        queue=reading.queue,
        connection=reading.connection,
        kind=kind,
        state=state,
        value=float(reading.size) if kind == "size" else reading.wait_s,
        threshold=bound,
        size=reading.size,
        wait_s=reading.wait_s,
        at=datetime.now(UTC),
    )
