"""One queue on the shelf: which of its jobs are where, in which order, and whether it gives any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qcore.drivers.shelf.ordered import Key, Ordered, at
from qcore.limits import SHUT_REASON
from qcore.records import QueueCounts, limit_in_force
from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.drivers.shelf.entry import Entry
    from qcore.limits import Limit
    from qcore.records import QueueDefinition

VIEWS = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
_LIVE = ("pending", "delayed", "processing", "retrying")
FOR_EVER = 1 << 62
"""An instant that never comes."""


class Lane:
    """A queue's jobs, each in exactly one view, and the waiting ones also in the order they are given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.views = {view: Ordered() for view in VIEWS}
        self.ready = Ordered()
        """Due ones: larger priority first, then the earlier due, then the smaller id."""
        self.later = Ordered()
        """Not due ones: the earlier due first."""
        self.by_due = Ordered()
        """All that wait: the earlier due first."""
        self.completed = 0
        self.cancelled = 0
        self.paused_until_us = 0
        """Up to when it gives nothing; 0 when it is not paused."""
        self.pause_reason: str | None = None
        self.definition: QueueDefinition | None = None
        self.own_limit: bytes | None = None
        """The word of an operator, packed; None where there is none."""

    def __len__(self) -> int:
        """Jobs that count against `max_jobs`."""
        return sum(len(self.views[view]) for view in _LIVE)

    @property
    def room(self) -> int | None:
        """Jobs that may still enter; None without a bound."""
        most = self.definition.max_jobs if self.definition else None
        return None if most is None else max(0, most - len(self))

    @property
    def limit(self) -> Limit | None:
        """By which its jobs start."""
        return limit_in_force(self.definition, self.own_limit)

    def shut(self, until_us: int, now_us: int) -> None:
        """Give no jobs for a while, as its limit is used up; a pause that lasts longer stays."""
        if not self.is_paused(now_us):
            self.paused_until_us, self.pause_reason = until_us, SHUT_REASON

    def open(self) -> None:
        """Give jobs again that only its limit kept back: there is another now."""
        if self.pause_reason == SHUT_REASON:
            self.paused_until_us, self.pause_reason = 0, None

    def is_paused(self, now_us: int) -> bool:
        """Whether it gives no jobs now."""
        return now_us < self.paused_until_us

    def put(self, entry: Entry, now_us: int) -> None:
        """Show the entry in the view of its state, and let it wait where it does."""
        entry.view = self._view(entry, now_us)
        entry.stamp_us = entry.ended_us if entry.ended_us is not None else entry.created_us
        self.views[entry.view].add(at(entry.stamp_us, entry.id))
        if entry.is_waiting:
            self.by_due.add(_soonest(entry))
            if entry.due_us <= now_us:
                self.ready.add(_foremost(entry))
            else:
                self.later.add(_soonest(entry))

    def take(self, entry: Entry, now_us: int) -> None:
        """Take the entry out of wherever it is; `promote` was called for the same instant."""
        self.views[entry.view].drop(at(entry.stamp_us, entry.id))
        if entry.is_waiting:
            self.by_due.drop(_soonest(entry))
            if entry.due_us <= now_us:
                self.ready.drop(_foremost(entry))
            else:
                self.later.drop(_soonest(entry))

    def next_at_us(self, now_us: int) -> int:
        """When it will give a job, as far as is known; `now_us` or before when at once."""
        first = self.by_due.first()
        return FOR_EVER if first is None else max(first[0], self.paused_until_us, now_us)

    def due(self, now_us: int) -> Iterator[str]:
        """Ids whose time has come, to be moved from `later` to `ready`."""
        while (first := self.later.first()) is not None and first[0] <= now_us:
            self.later.drop(first)
            yield first[-1]

    def promote(self, entry: Entry, now_us: int) -> None:
        """Let an entry that `due` named be given."""
        self.ready.add(_foremost(entry))
        self.views[entry.view].drop(at(entry.stamp_us, entry.id))
        entry.view = self._view(entry, now_us)
        self.views[entry.view].add(at(entry.stamp_us, entry.id))

    def counts(self, now_us: int) -> QueueCounts:
        """How many jobs are where."""
        oldest = self.by_due.first()
        paused = self.is_paused(now_us)
        return QueueCounts(
            name=self.name,
            pending=len(self.views["pending"]),
            delayed=len(self.views["delayed"]),
            processing=len(self.views["processing"]),
            retrying=len(self.views["retrying"]),
            completed=self.completed,
            failed=len(self.views["failed"]),
            cancelled=self.cancelled,
            oldest_due_us=oldest[0] if oldest is not None and oldest[0] <= now_us else None,
            paused=paused,
            paused_until_us=self.paused_until_us if paused and self.paused_until_us < FOR_EVER else None,
            pause_reason=self.pause_reason if paused else None,
            definition=self.definition,
        )

    @staticmethod
    def _view(entry: Entry, now_us: int) -> str:
        if entry.state is JobState.PENDING and entry.due_us > now_us:
            return "delayed"
        return entry.state.value


def _foremost(entry: Entry) -> Key:
    return (-entry.envelope.priority, entry.due_us, entry.id)


def _soonest(entry: Entry) -> Key:
    return (entry.due_us, -entry.envelope.priority, entry.id)
