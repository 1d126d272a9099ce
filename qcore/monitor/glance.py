"""What a screen shows at one moment: queues, workers, a list of jobs, and the host it runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from qcore.monitor.monitor import Monitor
from qcore.monitor.snapshots import JobSnapshot, StatsSnapshot, WorkerSnapshot

if TYPE_CHECKING:
    from qcore.manager import QueueManager

_JOBS = 200


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


class Glancer:
    """Looks at one connection, again and again.

    Args:
        manager: whose.
        connection: which; the default if None.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._monitor = Monitor(manager)
        self._connection = connection

    def look(self, view: str = "", queues: Sequence[str] | None = None) -> Glance:
        """Read everything once.

        Args:
            view: list jobs of this state too, the newest 200.
            queues: only these.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        stats = self._monitor.stats(queues, self._connection)
        workers = self._monitor.workers(self._connection)
        if queues is not None:
            workers = tuple(one for one in workers if not set(one.queues).isdisjoint(queues))
        jobs = self._jobs(view, queues) if view else ()
        return Glance(
            at_s=stats.generated_at.timestamp(), stats=stats, workers=workers, host=_host(), view=view, jobs=jobs
        )

    def _jobs(self, view: str, queues: Sequence[str] | None) -> tuple[JobSnapshot, ...]:
        asked: Sequence[str | None] = [None] if queues is None else queues
        pages = [
            self._monitor.jobs(view, queue=queue, limit=_JOBS, connection=self._connection).jobs for queue in asked
        ]
        return tuple(job for page in pages for job in page)


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
