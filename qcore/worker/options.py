"""How a worker behaves; what a job or its queue says for itself comes first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from qcore.backoff import Backoff
from qcore.errors import ConfigurationError
from qcore.worker.naming import is_name


class Bound(NamedTuple):
    """What a number may be."""

    least: float = 0
    most: float = math.inf
    """Itself out of bounds where it is infinite."""
    why: str = "write a number from 0 up"


_TIME = Bound(why="write seconds from 0 up")
_MEGABYTES = Bound(why="write megabytes, such as 256")
_BOUNDS = {
    "threads": Bound(1, 1_024, "from 1 to 1,024: more only wait for each other; add processes"),
    "async_jobs": Bound(0, 10_000, "from 1 to 10,000: the supervisor looks at each again and again; add processes"),
    "processes": Bound(1, 1_024, "from 1 to 1,024: more than any host carries"),
    "sleep_s": Bound(0.01, why="10ms or more: shorter ones keep a core busy, and a dispatch wakes a worker at once"),
    "tries": Bound(),
    "max_jobs": Bound(),
    "memory_mb": _MEGABYTES,
    "memory_hard_mb": _MEGABYTES,
    "timeout_s": _TIME,
    "rest_s": _TIME,
    "max_time_s": _TIME,
    "grace_s": _TIME,
}
_PLACES_MOST = 100_000
"""Jobs at a time under one supervisor, which has a slot of shared memory for each and reads it four times a second."""


def complaint(field: str, value: object) -> tuple[str, str] | None:
    """Say what is wrong with the value of an option, and what to write instead; None if nothing is.

    Args:
        field: of `WorkerOptions` or `SupervisorOptions`.
        value: None where nothing was said.
    """
    if field == "name" and isinstance(value, str) and not is_name(value):
        return f"{value!r} is no name", "1 to 32 letters, digits and -_. that begin with a letter or a digit"
    bound = _BOUNDS.get(field)
    if bound is None or not isinstance(value, (int, float)):
        return None
    if math.isnan(value) or math.isinf(value):
        return f"{value} is no number to count with", bound.why
    if value < bound.least:
        return f"{value:,} is below {bound.least:,}", bound.why
    return (f"{value:,} is above {bound.most:,}", bound.why) if value > bound.most else None


def _check(options: msgspec.Struct) -> None:
    for field in options.__struct_fields__:
        found = complaint(field, getattr(options, field))
        if found is not None:
            raise ConfigurationError(f"a worker's {field.removesuffix('_s')}: {found[0]}", hint=found[1])


def queue_names(queues: Sequence[str] | str | None) -> tuple[str, ...]:
    """Read the names of queues, each once, in order; none where nothing was said.

    Args:
        queues: names, as a list or `"high,default"`.

    Raises:
        ConfigurationError: what was said names no queue.
    """
    if queues is None:
        return ()
    parts = queues.split(",") if isinstance(queues, str) else queues
    names = tuple(dict.fromkeys(name for part in parts if (name := part.strip())))
    if not names:
        raise ConfigurationError(
            f"a worker's queues: {queues!r} names no queue",
            hint='write names, such as "high,default", or leave them out for the default queue',
        )
    return names


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `qctl work`. One that is out of bounds raises ConfigurationError.

    Source: Laravel's `queue:work`; there a job has 1 try unless somebody says more, here 3.
    """

    tries: int | None = None
    """Attempts at the most, of jobs and queues that say nothing; 0: no limit. None: the connection's, or 3."""
    timeout_s: float | None = None
    """Seconds an attempt may take, of jobs that say nothing; 0: any. None: 60."""
    backoff: Backoff | None = None
    """Seconds between tries, of jobs that say nothing, in the forms of a job's own. None: exponential from 5 s."""
    sleep_s: float = 1.0
    """Seconds an idle worker waits for a wake-up before it looks again."""
    rest_s: float = 0.0
    """Seconds between two jobs."""
    memory_mb: float | None = None
    """Stop between jobs above so much resident memory, in MB of 2^20 bytes; 0 or None: never."""
    max_jobs: int | None = None
    """Stop after so many attempts; 0 or None: never."""
    max_time_s: float | None = None
    """Stop, between jobs, after so many seconds; 0 or None: never."""
    once: bool = False
    """Stop after one attempt, or at once where no job is due."""
    stop_when_empty: bool = False
    """Stop when no job is due."""
    name: str | None = None
    """Part of the worker's id: letters, digits and `-_.`."""
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

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` where a value is out of bounds."""
        _check(self)


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a supervisor keeps its children. One that is out of bounds raises ConfigurationError."""

    processes: int = 1
    """The most there will be."""
    slots: int = 1
    """The most jobs that each runs at a time."""
    memory_hard_mb: float | None = None
    """A job whose process grows above it is ended and charged, in MB of 2^20 bytes; None: never."""
    judges: bool = True
    """End children that hang or outgrow their memory."""
    watched: str | None = None
    """A path: reload when the code in it changes."""
    name: str | None = None
    """Part of the supervisor's id, as of its workers'."""

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` where a value is out of bounds."""
        _check(self)
        if self.processes * self.slots > _PLACES_MOST:
            raise ConfigurationError(
                f"{self.processes:,} processes with {self.slots:,} jobs at a time each are above {_PLACES_MOST:,} jobs",
                hint="a supervisor looks at each of them again and again; start several",
            )

    @property
    def blocks(self) -> int:
        """Blocks of shared memory: a reload has the old children and the new ones side by side, twice over."""
        return 4 * self.processes
