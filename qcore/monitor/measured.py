"""What was measured of jobs, as a person asks for it: frozen values, with their units in the names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from qcore.histogram import quantiles, typical
from qcore.measures import Measure, Reading, Spread, Spreads

_US = 1_000_000
_RAN = (Measure.COMPLETED, Measure.FAILED, Measure.RETRIED)
_SHARES = (0.5, 0.95, 0.99)


class TimesSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took. The average is exact and between the extremes; these are good to three percent."""

    avg_s: float
    min_s: float
    max_s: float
    p50_s: float
    p95_s: float
    p99_s: float


class MemorySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of workers held as these jobs ended; looked at once a second."""

    avg_bytes: int
    max_bytes: int


class MeasuredSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one class, or of one queue, or all of them."""

    name: str
    processed: int
    """Jobs that ended well."""
    failed: int
    retried: int
    """Attempts that raised, and were followed by another."""
    released: int
    """Attempts that put their job off, or that a limit sent away."""
    cancelled: int
    success_rate: float | None
    """Share of those that ended well among those that ended well or failed; None where none did."""
    throughput_per_min: float
    """Jobs that ended well or failed, by the minutes since the first of the time asked for."""
    runtime: TimesSnapshot | None
    """Of attempts that ended well, failed or raised."""
    wait: TimesSnapshot | None
    """From when a job was due until a worker took it."""
    memory: MemorySnapshot | None
    trend: tuple[int, ...]
    """Jobs that ended well or failed in each step of the time asked for, oldest first."""
    runtime_trend: tuple[float, ...] = ()
    """Seconds that attempts ran, on average, in each step; 0 where none did."""
    wait_trend: tuple[float, ...] = ()
    """Seconds that jobs waited, on average, in each step."""


class MetricsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of late on one connection."""

    generated_at: datetime
    connection: str
    driver: str
    since_s: float
    step_s: float
    """How much time one number of a trend covers."""
    totals: MeasuredSnapshot
    jobs: tuple[MeasuredSnapshot, ...]
    """By class, the most frequent first."""
    queues: tuple[MeasuredSnapshot, ...]
    """By queue, by name."""


class Window:
    """The time asked for, cut into steps.

    Args:
        first: the minute in which it begins, since the epoch.
        now: minutes since the epoch, by now.
        step: minutes of a step.
    """

    def __init__(self, first: int, now: float, step: int) -> None:
        self.first = first
        self.now = now
        self.step = step
        self._steps = max(1, int(now - first) // step + 1)

    def measured(self, name: str, readings: Sequence[Reading]) -> MeasuredSnapshot:
        """Sum readings up under a name."""
        spreads = summed(readings)
        done = {measure: spread.count for measure, spread in spreads.items()}
        ended = ended_in(spreads)
        return MeasuredSnapshot(
            name=name,
            processed=done.get(Measure.COMPLETED, 0),
            failed=done.get(Measure.FAILED, 0),
            retried=done.get(Measure.RETRIED, 0),
            released=done.get(Measure.RELEASED, 0),
            cancelled=done.get(Measure.CANCELLED, 0),
            success_rate=done.get(Measure.COMPLETED, 0) / ended if ended else None,
            throughput_per_min=ended / self._minutes(readings),
            runtime=times(spreads, _RAN),
            wait=times(spreads, (Measure.WAIT,)),
            memory=_memory(spreads.get(Measure.MEMORY)),
            trend=self._trend(readings),
            runtime_trend=self._averages(readings, _RAN),
            wait_trend=self._averages(readings, (Measure.WAIT,)),
        )

    def _minutes(self, readings: Iterable[Reading]) -> float:
        begun = min((reading.minute for reading in readings), default=self.first)
        return max(1.0, self.now - max(begun, self.first))

    def _trend(self, readings: Iterable[Reading]) -> tuple[int, ...]:
        numbers = [0] * self._steps
        for reading in readings:
            place = (reading.minute - self.first) // self.step
            if 0 <= place < self._steps:
                numbers[place] += ended_in(reading.spreads)
        return tuple(numbers)

    def _averages(self, readings: Iterable[Reading], measures: Sequence[Measure]) -> tuple[float, ...]:
        sums, counts = [0] * self._steps, [0] * self._steps
        for reading in readings:
            place = (reading.minute - self.first) // self.step
            for measure in measures if 0 <= place < self._steps else ():
                if (spread := reading.spreads.get(measure)) is not None:
                    sums[place] += spread.total
                    counts[place] += spread.count
        return tuple(total / count / _US if count else 0.0 for total, count in zip(sums, counts, strict=True))


def ended_in(spreads: Mapping[int, Spread]) -> int:
    """How many jobs ended well or failed."""
    return sum(spreads[measure].count for measure in (Measure.COMPLETED, Measure.FAILED) if measure in spreads)


def summed(readings: Iterable[Reading]) -> Spreads:
    """Add readings up, whatever they are of."""
    spreads = Spreads()
    for reading in readings:
        spreads.merge(reading.spreads)
    return spreads


def times(spreads: Mapping[int, Spread], measures: Iterable[Measure]) -> TimesSnapshot | None:
    """How long took what was measured in microseconds; None where nothing was."""
    spread = Spread()
    for measure in measures:
        if measure in spreads:
            spread.merge(spreads[measure])
    if not spread.buckets:
        return None
    p50, p95, p99 = quantiles(spread.buckets, _SHARES)
    avg_s = spread.total / spread.count / _US
    return TimesSnapshot(
        avg_s=avg_s,
        min_s=min(avg_s, typical(min(spread.buckets)) / _US),
        max_s=max(avg_s, typical(max(spread.buckets)) / _US),
        p50_s=p50 / _US,
        p95_s=p95 / _US,
        p99_s=p99 / _US,
    )


def _memory(spread: Spread | None) -> MemorySnapshot | None:
    if spread is None or not spread.buckets:
        return None
    avg_bytes = spread.total // spread.count
    return MemorySnapshot(avg_bytes=avg_bytes, max_bytes=max(avg_bytes, round(typical(max(spread.buckets)))))
