"""What was measured of jobs: by class and by queue, over the time asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict

from qcore.clock import Clock, SystemClock
from qcore.errors import ConfigurationError
from qcore.manager import QueueManager
from qcore.manager.stats import QueueStats
from qcore.measures import EVER, MINUTE_US, NEVER, Reading, Span
from qcore.monitor.measured import MeasuredSnapshot, MetricsSnapshot, TimesSnapshot, Window

if TYPE_CHECKING:
    from qcore.drivers import Store

HOUR_S = 3600.0
_STEPS = 60
"""How many numbers a trend has, where nobody says otherwise; and one more, for the time under way."""


class Metrics:
    """What one manager's stores have measured.

    Args:
        manager: whose connections are read.
        clock: says how long ago something was; the host's if None.
    """

    def __init__(self, manager: QueueManager, clock: Clock | None = None) -> None:
        self._manager = manager
        self._clock = clock or SystemClock()

    def of(
        self,
        connection: str | None = None,
        *,
        since_s: float = HOUR_S,
        step_s: float | None = None,
        job: str | None = None,
        queue: str | None = None,
    ) -> MetricsSnapshot:
        """Sum up what was measured of late.

        Args:
            connection: whose; the default connection's if None.
            since_s: from the minute of so many seconds ago until now. Of the last day minutes are kept, of the last
                thirty days hours, of the last year days: the older the time, the coarser it is.
            step_s: seconds of a step of the trends; a sixtieth of that time, if None.
            job: only jobs of this class: its path, or its name alone.
            queue: only jobs of this queue.

        Returns:
            Sums and trends, by class and by queue; times are seconds, memory is bytes.

        Raises:
            ConnectionFailed: the store does not answer.
            ConfigurationError: a time is none, or there is no such connection.
        """
        settings = self._manager.settings.connection(connection)
        window, span = _window(self._clock, since_s, step_s)
        readings = _read(self._manager, settings.name, window, span, job, queue)
        jobs = _grouped(window, readings, lambda reading: reading.job)
        return MetricsSnapshot(
            generated_at=datetime.now(UTC),
            connection=settings.name,
            driver=settings.driver,
            since_s=since_s,
            step_s=window.step * 60.0,
            totals=window.measured("", readings),
            jobs=tuple(sorted(jobs, key=lambda one: (-one.processed - one.failed, one.name))),
            queues=tuple(_grouped(window, readings, lambda reading: reading.queue)),
        )


class JobStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the jobs of one class fared over the time asked for; None where nothing was measured.

    Source: ours; Horizon knows a class's throughput and mean runtime.
    """

    job: str
    """The class, as it was asked for."""
    processed: int
    """Jobs that ended well in that time."""
    failed: int
    """Jobs that failed for good in that time."""
    retried: int
    """Attempts of that time that raised, and are followed by another."""
    success_rate: float | None
    """Those that ended well among those that ended well or failed, 0 to 1."""
    throughput: float
    """Jobs a minute that ended well or failed."""
    avg_execution_time: float | None = None
    """Seconds that an attempt ran which ended well, failed or raised, on average."""
    min_execution_time: float | None = None
    """Seconds of the shortest of them."""
    max_execution_time: float | None = None
    """Seconds of the longest of them."""
    p50: float | None = None
    """Seconds within which half of them ended, good to three percent as the two below."""
    p95: float | None = None
    """Seconds within which 95 of 100 did."""
    p99: float | None = None
    """Seconds within which 99 of 100 did."""
    memory: int | None = None
    """Bytes that a worker's process holds, on average."""


class QueueFigures(QueueStats, frozen=True, kw_only=True):
    """How a queue fares: what it holds, and how soon and how often its jobs are taken."""

    wait_time: float | None = None
    """Seconds from when a job was due until a worker took it, on average; None where none was."""
    throughput: float
    """Jobs a minute that ended well or failed."""


class JobMetrics:
    """What was measured of jobs, on the current manager's connections."""

    @staticmethod
    def get_job_metrics(
        job: str | type, *, since: float | timedelta = HOUR_S, connection: str | None = None
    ) -> JobStats:
        """Tell how the jobs of a class fare.

        Args:
            job: the class, its path (`module:Name`), or its name alone.
            since: seconds, or a timedelta, to look back; an hour if not given.
            connection: whose; all in use, if None.

        Returns:
            Its figures; times are seconds, memory is bytes. Of a class that never ran zeros and None.

        Raises:
            ConnectionFailed: a store does not answer.
            ConfigurationError: `since` is no time, or there is no such connection.
        """
        name = job if isinstance(job, str) else f"{job.__module__}:{job.__qualname__}"
        manager = QueueManager.current()
        one = _over(manager, connection, since, name, None)
        runtime = one.runtime
        return JobStats(
            job=name,
            processed=one.processed,
            failed=one.failed,
            retried=one.retried,
            success_rate=one.success_rate,
            throughput=one.throughput_per_min,
            memory=None if one.memory is None else one.memory.avg_bytes,
            **({} if runtime is None else _named(runtime)),
        )

    @staticmethod
    def get_queue_stats(queue: str, *, since: float | timedelta = HOUR_S) -> QueueFigures:
        """Tell how a queue fares.

        Args:
            queue: its name; one that was never used has nothing.
            since: seconds, or a timedelta, over which waits and throughput are taken; an hour if not given.

        Returns:
            Its jobs by state as they are now; `wait_time` is seconds, `throughput` jobs a minute.

        Raises:
            ConnectionFailed: its store does not answer.
            ConfigurationError: `since` is no time.
        """
        manager = QueueManager.current()
        one = _over(manager, manager.connection_of(queue).name, since, None, queue)
        return QueueFigures(
            **asdict(manager.get_stats(queue)),
            wait_time=None if one.wait is None else one.wait.avg_s,
            throughput=one.throughput_per_min,
        )


def _named(times: TimesSnapshot) -> dict[str, float]:
    """The times of attempts, as `JobStats` calls them."""
    return {
        "avg_execution_time": times.avg_s,
        "min_execution_time": times.min_s,
        "max_execution_time": times.max_s,
        "p50": times.p50_s,
        "p95": times.p95_s,
        "p99": times.p99_s,
    }


def is_of(path: str, name: str) -> bool:
    """Whether a class path is what somebody calls by its path, or by its name alone."""
    return name in {path, path.rpartition(":")[2], path.rpartition(".")[2]}


def ever(store: Store) -> list[Reading]:
    """Everything that was ever measured, by queue and class; for counters that only grow."""
    return list(store.readings(Span.DAY, EVER, NEVER))


def _over(
    manager: QueueManager, connection: str | None, since: float | timedelta, job: str | None, queue: str | None
) -> MeasuredSnapshot:
    """One sum over the connections in use, or one of them."""
    since_s = since.total_seconds() if isinstance(since, timedelta) else since
    window, span = _window(SystemClock(), since_s, None)
    names = [connection] if connection else manager.connections_in_use()
    readings = [one for name in names for one in _read(manager, name, window, span, job, queue)]
    return window.measured(job or queue or "", readings)


def _window(clock: Clock, since_s: float, step_s: float | None) -> tuple[Window, Span]:
    if since_s <= 0 or (step_s is not None and step_s <= 0):
        raise ConfigurationError("a time to look back is longer than nothing", hint="such as 1h or 7d")
    now = clock.wall_us() / MINUTE_US
    minutes = max(1, round(since_s / 60))
    span = next((span for span in Span if minutes <= span.kept), Span.DAY)
    asked = -(-minutes // _STEPS) if step_s is None else round(step_s / 60)
    step = max(1, -(-asked // span)) * span
    first = span.start_of(int(now) - minutes)  # of this minute only a part is over, so that one more is looked at
    return Window(max(first, EVER + 1), now, step), span


def _read(
    manager: QueueManager, connection: str, window: Window, span: Span, job: str | None, queue: str | None
) -> list[Reading]:
    return [
        reading
        for reading in manager.connection(connection).readings(span, window.first, NEVER)
        if (job is None or is_of(reading.job, job)) and (queue is None or reading.queue == queue)
    ]


def _grouped(window: Window, readings: Iterable[Reading], by: Callable[[Reading], str]) -> list[MeasuredSnapshot]:
    groups: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        groups[by(reading)].append(reading)
    return [window.measured(name, group) for name, group in sorted(groups.items())]
