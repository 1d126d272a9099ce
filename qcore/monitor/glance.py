"""What a screen shows at one moment: queues, workers, a list of jobs, and the host it runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from qcore.filters import one_of
from qcore.filters import words as any_of
from qcore.monitor.happenings import EVENTS_VIEW, Happenings, Recent
from qcore.monitor.keeping import Kept
from qcore.monitor.monitor import Monitor
from qcore.monitor.snapshots import JobSnapshot, StatsSnapshot, WorkerSnapshot

if TYPE_CHECKING:
    from qcore.manager import QueueManager

_JOBS = 200
_COUNTED_TIMES, _COUNTED_MOST_S = 100, 15.0
"""Counting a great many jobs may take a hundredth of the time; and how old a count may be."""


class HostSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The host that looks on."""

    name: str
    cores_percent: tuple[float, ...]
    """Of each core, since the last look."""
    load: float
    """Of the last minute; 0 where a host does not say."""
    memory_used_bytes: int
    memory_bytes: int


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """One moment."""

    at_s: float
    """Seconds since the epoch."""
    stats: StatsSnapshot
    workers: tuple[WorkerSnapshot, ...]
    host: HostSnapshot
    view: str = ""
    """The state of `jobs`; empty where none were asked for."""
    jobs: tuple[JobSnapshot, ...] = ()
    words: str = ""
    """What was looked for among all jobs of the state; empty where they are the newest ones, whatever they hold."""
    happenings: Happenings = Happenings()
    """What happened of late, where the view is `happenings.EVENTS_VIEW`."""


class Glancer:
    """Looks at one connection, again and again.

    Args:
        manager: whose.
        connection: which; the default if None.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._monitor = Monitor(manager)
        self._manager, self._connection = manager, connection
        self._recent: tuple[Sequence[str] | None, Recent] | None = None
        self._sought, self._counted = Kept(), Kept(times=_COUNTED_TIMES, most_s=_COUNTED_MOST_S)

    def look(self, view: str = "", queues: Sequence[str] | None = None, words: str = "") -> Glance:
        """Read everything once.

        Args:
            view: list jobs of this state too, the newest 200; or what happened of late, where it is `EVENTS_VIEW`.
            queues: only these.
            words: where there are more jobs than that, those that hold one of these, parted by `|`; they are looked for
                among the newest 100,000.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        stats = self._monitor.stats(queues, self._connection, kept=self._counted)
        workers = self._monitor.workers(self._connection)
        if queues is not None:
            workers = tuple(one for one in workers if not set(one.queues).isdisjoint(queues))
        jobs = self._jobs(view, queues) if view and view != EVENTS_VIEW else ()
        sought = [word.strip() for word in words.split("|") if word.strip()] if len(jobs) >= _JOBS else []
        if sought:
            of = (view, queues, sought)
            jobs = self._sought.read(lambda: self._holding(sought, view, queues), of)
        return Glance(
            at_s=stats.generated_at.timestamp(),
            stats=stats,
            workers=workers,
            host=_host(),
            view=view,
            jobs=jobs,
            words=words if sought else "",
            happenings=self._happened(queues) if view == EVENTS_VIEW else Happenings(),
        )

    def forget(self) -> None:
        """Read all anew at the next look: something was done about it."""
        self._sought.forget()
        self._counted.forget()

    def _jobs(self, view: str, queues: Sequence[str] | None) -> tuple[JobSnapshot, ...]:
        asked: Sequence[str | None] = [None] if queues is None else queues
        pages = [
            self._monitor.jobs(view, queue=queue, limit=_JOBS, connection=self._connection).jobs for queue in asked
        ]
        return tuple(job for page in pages for job in page)

    def _happened(self, queues: Sequence[str] | None) -> Happenings:
        """What happened of late; it is followed from the first time that somebody asks."""
        if self._recent is None or self._recent[0] != queues:
            self._recent = (queues, Recent(self._manager, self._connection, queues))
        return self._recent[1].look()

    def _holding(self, sought: Sequence[str], view: str, queues: Sequence[str] | None) -> tuple[JobSnapshot, ...]:
        chosen = any_of(*sought)
        if queues is not None:
            chosen &= one_of("queue", queues)
        return self._monitor.select(chosen, views=[view], connection=self._connection, bounded=True).page(_JOBS).jobs


def _host() -> HostSnapshot:
    import psutil

    memory = psutil.virtual_memory()
    return HostSnapshot(
        name=platform.node(),
        cores_percent=tuple(psutil.cpu_percent(percpu=True)),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        memory_used_bytes=memory.total - memory.available,
        memory_bytes=memory.total,
    )
