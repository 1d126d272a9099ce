"""Queues that are too long, or wait too long: told once when it begins, and once when it is over.

Who tells is decided by the store. A watcher that sees a threshold passed takes a lock for it, and the one who gets it
tells; whoever sees that it is over frees the lock, and the one who freed it tells. So several watchers of one store,
and watchers that look once and end, tell of an incident once.

The lock lasts two minutes at first, and a week once somebody was told: a watcher that is killed between the two, or
whose hooks fail, keeps nobody from telling it later. A second lock, `...:telling`, is held all that time, and is what
others ask for first; so nobody comes between the end of the short lock and the begin of the long one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qcore.clock import Clock, SystemClock, instant
from qcore.ids import new_id

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager
    from qcore.monitor.snapshots import QueueSnapshot
    from qcore.records import LockRecord

INCIDENT_KEPT_S = 7 * 24 * 3600
"""Seconds after which an incident is told again, by one that has not seen it: the lock that stands for it ends."""
CLAIMED_S = 120
"""Seconds that a watcher has to tell of an incident, before another may."""
_RENEWED_S = 24 * 3600
"""Seconds after which a watcher renews the lock of an incident that goes on."""
_TELLING, _MORE_S = ":telling", 10
"""The other lock of an incident that is being told, and how much longer it lasts: it is taken first."""
_LONGEST_KEY = 180
_PREFIX, _HASHED = "alert:", 64
"""How the keys of incidents begin, and of how many digits the rest of one is whose queue's name is too long."""
_INCIDENTS_MOST = 200
_US = 1_000_000


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


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that a queue has passed, of which somebody was told, or is being told."""

    key: str
    """Of the lock that stands for it."""
    queue: str
    """Empty where its name is too long for the lock to tell it."""
    kind: str
    """`size` or `wait`; empty with the queue."""
    threshold: float
    since: datetime
    """By the store's clock."""

    @property
    def text(self) -> str:
        """Tell it in one line."""
        if not self.kind:
            return "a queue with a long name is past a threshold"
        return (
            f"more than {self.threshold:,g} jobs"
            if self.kind == "size"
            else f"waits for more than {self.threshold:,g} s"
        )


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


class _Threshold(NamedTuple):
    """A threshold that a queue has passed."""

    connection: str
    queue: str
    kind: str


class Watcher:
    """Looks at queues, and tells what has begun or ended since the store was last told of it.

    Args:
        manager: whose connections are watched.
        queues: which; all that the connections know if empty.
        max_size: jobs above which a queue is too long; None: it never is.
        max_wait_s: seconds above which its oldest job waits too long; None: it never does.
        connections: whose queues are watched where none are named; the default's if empty.
        clock: says when to renew an incident that goes on; the host's if None.
    """

    def __init__(
        self,
        manager: QueueManager,
        queues: Sequence[str] = (),
        *,
        max_size: int | None = 1000,
        max_wait_s: float | None = 60.0,
        connections: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._manager = manager
        self._queues = queues
        self._bounds = {
            kind: float(bound) for kind, bound in (("size", max_size), ("wait", max_wait_s)) if bound is not None
        }
        self._connections = connections
        self._clock = clock or SystemClock()
        self._open: dict[_Threshold, float] = {}
        self._claims: dict[_Threshold, str] = {}

    def look(self) -> tuple[list[QueueSeen], list[Alert]]:
        """Read the queues once; returns what was seen, and what is to be told of it.

        Say of each alert by `settle` what became of it; one of which nothing is said is told again after two minutes.

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

    def settle(self, alert: Alert, *, was_told: bool) -> None:
        """Say what became of an alert: told, it is not told again; else the next look of whoever tells it.

        Raises:
            ConnectionFailed: the store does not answer; it may be told again.
        """
        store = self._manager.connection(alert.connection)
        key = _key(alert.kind, alert.threshold, alert.queue)
        incident = _Threshold(alert.connection, alert.queue, alert.kind)
        if alert.state != "firing":
            if not was_told:
                store.take_lock(key, new_id(), INCIDENT_KEPT_S * _US)  # for the next look to free
            return
        owner = self._claims.pop(incident, "")
        is_mine = store.release_lock(key, owner)  # not if it is over meanwhile
        if was_told:
            if is_mine:
                store.take_lock(key, owner, INCIDENT_KEPT_S * _US)
            self._open[incident] = self._clock.monotonic()
        store.release_lock(key + _TELLING, owner)

    def _alerts(self, reading: QueueSeen) -> Iterator[Alert]:
        store = self._manager.connection(reading.connection)
        for kind, bound in self._bounds.items():
            key, incident = _key(kind, bound, reading.queue), _Threshold(reading.connection, reading.queue, kind)
            if kind not in reading.over:
                self._open.pop(incident, None)
                if store.release_lock(key):  # each time: another may have begun it, and be gone
                    yield _alert(reading, kind, bound, "over")
            elif not self._is_open(store, key, incident) and self._claim(store, key, incident):
                yield _alert(reading, kind, bound, "firing")

    def _is_open(self, store: Store, key: str, incident: _Threshold) -> bool:
        """Whether it is known to have been told; its lock is renewed now and then."""
        now = self._clock.monotonic()
        if now - self._open.get(incident, now) < _RENEWED_S:
            return incident in self._open
        owner = new_id()
        if not store.take_lock(key + _TELLING, owner, (CLAIMED_S + _MORE_S) * _US):
            return True
        was_held = store.release_lock(key)
        if was_held:
            store.take_lock(key, owner, INCIDENT_KEPT_S * _US)
            self._open[incident] = now
        else:
            del self._open[incident]
        store.release_lock(key + _TELLING, owner)
        return was_held

    def _claim(self, store: Store, key: str, incident: _Threshold) -> bool:
        """Whether it is for this watcher to tell; remembers what was told by another."""
        owner = new_id()
        if not store.take_lock(key + _TELLING, owner, (CLAIMED_S + _MORE_S) * _US):
            return False
        if store.take_lock(key, owner, CLAIMED_S * _US):
            self._claims[incident] = owner
            return True
        store.release_lock(key + _TELLING, owner)
        self._open[incident] = self._clock.monotonic()
        return False


def incidents(store: Store) -> list[Incident]:
    """What watchers of this store have told of, and is not over.

    Raises:
        ConnectionFailed: the store does not answer.
    """
    page = store.locks(cursor=_PREFIX, limit=_INCIDENTS_MOST)
    found = (_read(lock) for lock in page.locks if lock.key.startswith(_PREFIX))
    return [one for one in found if one is not None]


def _read(lock: LockRecord) -> Incident | None:
    """Read what a lock stands for; None if it is one of those that tell, or a job's."""
    since = instant(lock.taken_us)
    kind, _, rest = lock.key.removeprefix(_PREFIX).partition(":")
    bound, _, queue = rest.partition(":")
    if lock.key.endswith(_TELLING):
        return None
    if _is_hash(kind) and not rest:
        return Incident(key=lock.key, queue="", kind="", threshold=0.0, since=since)
    if kind not in {"size", "wait"} or not queue:
        return None
    try:
        return Incident(key=lock.key, queue=queue, kind=kind, threshold=float(bound), since=since)
    except ValueError:
        return None


def _is_hash(text: str) -> bool:
    return len(text) == _HASHED and not set(text) - set("0123456789abcdef")


def _key(kind: str, bound: float, queue: str) -> str:
    """The lock that stands for an incident: watchers with other thresholds have their own."""
    key = f"{_PREFIX}{kind}:{bound:g}:{queue}"
    return key if len(key) <= _LONGEST_KEY else f"{_PREFIX}{hashlib.sha256(key.encode()).hexdigest()}"


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
