"""How a worker behaves; what a job or its queue says for itself comes first."""

from __future__ import annotations

import msgspec

from qcore.backoff import Backoff


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `qctl work`."""

    tries: int | None = None
    """For jobs and queues that say nothing; 0: no limit."""
    timeout_s: float | None = None
    """Seconds an attempt may take; 0: any."""
    backoff: Backoff | None = None
    sleep_s: float = 1.0
    """Seconds an idle worker waits for a wake-up before it looks again."""
    rest_s: float = 0.0
    """Seconds between two jobs."""
    memory_mb: float | None = None
    """Stop between jobs above so much resident memory."""
    max_jobs: int | None = None
    max_time_s: float | None = None
    once: bool = False
    stop_when_empty: bool = False
    name: str | None = None
    """Shown beside the worker's id."""
    grants: tuple[str, ...] = ()
    """Permissions that jobs here may rely on."""
    fair: bool = False
    """Share the worker among its queues by `priority_weight`, instead of strictly in order."""
    threads: int = 1
    """Attempts at a time, each in a thread of its own."""
    async_jobs: int = 0
    """Attempts at a time on an event loop; 0: none."""
    grace_s: float = 25.0
    """Seconds the running job has to end after a stop signal; then it is released uncharged."""


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a supervisor keeps its children."""

    processes: int = 1
    """The most there will be."""
    slots: int = 1
    """The most jobs that each runs at a time."""
    memory_hard_mb: float | None = None
    """A job whose process grows above it is ended and charged."""
    judges: bool = True
    """End children that hang or outgrow their memory."""
    watched: str | None = None
    """A path: reload when the code in it changes."""

    @property
    def blocks(self) -> int:
        """Blocks of shared memory: a reload has the old children and the new ones side by side, twice over."""
        return 4 * self.processes
