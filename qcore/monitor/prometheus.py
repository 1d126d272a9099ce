"""What is known of the queues, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from qcore.errors import ConfigurationError, QueueError
from qcore.histogram import typical
from qcore.measures import Measure, Reading, Spread
from qcore.monitor.measured import summed
from qcore.monitor.metrics import ever
from qcore.monitor.monitor import Monitor

if TYPE_CHECKING:
    from qcore.manager import QueueManager
    from qcore.monitor.snapshots import QueueSnapshot

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_OF_JOBS = ("connection", "queue", "job")
_COUNTERS = {
    Measure.COMPLETED: ("qctl_jobs_completed", "Jobs that ended well."),
    Measure.FAILED: ("qctl_jobs_failed", "Jobs that failed for good."),
    Measure.RETRIED: ("qctl_jobs_retried", "Attempts that raised, and were followed by another."),
    Measure.RELEASED: ("qctl_jobs_released", "Attempts that put their job off, or that a limit sent away."),
    Measure.CANCELLED: ("qctl_jobs_cancelled", "Jobs that were cancelled while a worker held them."),
}
_RAN = (Measure.COMPLETED, Measure.FAILED, Measure.RETRIED)
_STATES = ("pending", "delayed", "processing", "retrying", "failed")


def exposition(manager: QueueManager) -> bytes:
    """Write all of it in the text format of Prometheus; a store that does not answer is told as down.

    Raises:
        ConfigurationError: `prometheus-client` is not installed.
    """
    client = _client()
    registry = client.CollectorRegistry()
    registry.register(_Collector(manager))
    return bytes(client.generate_latest(registry))


def _client() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        raise ConfigurationError(
            "the library prometheus-client is not installed", hint="install it with: pip install 'qctl[metrics]'"
        ) from error
    return prometheus_client


class _Collector:
    """Asks the stores when it is asked."""

    def __init__(self, manager: QueueManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Any]:
        """Tell every figure, by its family."""
        from prometheus_client import core

        up = core.GaugeMetricFamily("qctl_store_up", "Whether the store answers.", labels=["connection"])
        found: list[tuple[tuple[str, str, str], list[Reading]]] = []
        queues: list[QueueSnapshot] = []
        monitor = Monitor(self._manager)
        workers = core.GaugeMetricFamily("qctl_workers", "Workers that reported of late.", labels=["connection"])
        for name in self._manager.connections_in_use():
            try:
                its_queues, number = monitor.stats(None, name).queues, len(monitor.workers(name))
                readings = ever(self._manager.connection(name))
            except QueueError:
                up.add_metric([name], 0)
                continue
            up.add_metric([name], 1)
            workers.add_metric([name], number)
            queues += its_queues
            found += _by_kind(name, readings)
        yield up
        yield workers
        yield from _of_queues(core, queues)
        yield from _of_jobs(core, found)


def _by_kind(connection: str, readings: Iterable[Reading]) -> list[tuple[tuple[str, str, str], list[Reading]]]:
    kinds: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in readings:
        kinds.setdefault((connection, reading.queue, reading.job), []).append(reading)
    return sorted(kinds.items(), key=lambda item: item[0])


def _of_queues(core: Any, queues: Iterable[QueueSnapshot]) -> Iterator[Any]:
    labels = ["connection", "queue"]
    jobs = core.GaugeMetricFamily("qctl_queue_jobs", "Jobs in a queue.", labels=[*labels, "state"])
    paused = core.GaugeMetricFamily("qctl_queue_paused", "Whether a queue is paused.", labels=labels)
    oldest = core.GaugeMetricFamily(
        "qctl_queue_oldest_seconds", "How long the job that waits longest has been due.", labels=labels
    )
    clears = core.GaugeMetricFamily(
        "qctl_queue_clears_in_seconds", "When nothing waits, at the pace of the last minutes.", labels=labels
    )
    for one in queues:
        where = [one.connection, one.name]
        for state in _STATES:
            jobs.add_metric([*where, state], getattr(one, state))
        paused.add_metric(where, int(one.paused))
        if one.oldest_pending_s is not None:
            oldest.add_metric(where, one.oldest_pending_s)
        if one.clears_in_s is not None:
            clears.add_metric(where, one.clears_in_s)
    yield from (jobs, paused, oldest, clears)


def _of_jobs(core: Any, found: Iterable[tuple[tuple[str, str, str], list[Reading]]]) -> Iterator[Any]:
    counters = {
        measure: core.CounterMetricFamily(name, words, labels=_OF_JOBS) for measure, (name, words) in _COUNTERS.items()
    }
    runtime = core.HistogramMetricFamily("qctl_job_runtime_seconds", "How long attempts ran.", labels=_OF_JOBS)
    wait = core.HistogramMetricFamily(
        "qctl_job_wait_seconds", "How long due jobs waited for a worker.", labels=_OF_JOBS
    )
    for kind, readings in found:
        spreads = summed(readings)
        for measure, counter in counters.items():
            counter.add_metric(kind, spreads.of(measure).count)
        ran = Spread()
        for measure in _RAN:
            ran.merge(spreads.of(measure))
        for family, spread in ((runtime, ran), (wait, spreads.of(Measure.WAIT))):
            family.add_metric(kind, _buckets(spread), spread.total / 1_000_000)
    yield from counters.values()
    yield runtime
    yield wait


def _buckets(spread: Spread) -> list[tuple[str, int]]:
    """How many are not above each bound, and in all."""
    told = []
    for bound_s in _BOUNDS_S:
        below = sum(number for bucket, number in spread.buckets.items() if typical(bucket) <= bound_s * 1_000_000)
        told.append((str(bound_s), below))
    return [*told, ("+Inf", spread.count)]
