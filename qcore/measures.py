"""What is measured of jobs, as values: by queue, class and minute, and summed up to hours and days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


class Measure(IntEnum):
    """One thing that is measured."""

    COMPLETED = 0
    """Microseconds that attempts ran which ended well."""
    FAILED = 1
    """The same of the last attempts of jobs that failed."""
    RETRIED = 2
    """The same of attempts that raised, and are followed by another."""
    RELEASED = 3
    """The same of attempts that put their job off, or that a limit sent away."""
    CANCELLED = 4
    WAIT = 5
    """Microseconds from when a job was due until a worker took it."""
    MEMORY = 6
    """Bytes that a worker process held as the job ended; looked at once a second."""


class Span(IntEnum):
    """How much time one reading covers, in minutes."""

    MINUTE = 1
    HOUR = 60
    DAY = 1440

    @property
    def us(self) -> int:
        """In microseconds."""
        return int(self) * MINUTE_US

    @property
    def kept(self) -> int:
        """Minutes for which readings of this span are kept: a day, a month, a year."""
        return {Span.MINUTE: 1440, Span.HOUR: 30 * 1440, Span.DAY: 366 * 1440}[self]

    def next_start(self, minute: int) -> int:
        """The first minute, at a minute or after it, in which a span begins."""
        return self.start_of(minute + self - 1)

    def start_of(self, minute: int) -> int:
        """The first minute of the span in which a minute lies, in minutes since the epoch."""
        return minute - minute % self


MINUTE_US = 60_000_000
EVER = 0
"""The minute of the day under which stores add up the days that they no longer keep: what only grows needs them too."""
NEVER = 2**30
"""A minute that no clock reaches: hosts and stores need not agree on the time."""
Cell = tuple[str, str, int, int]
"""Queue, class path, measure, bucket."""


class Spread:
    """Many values of one measure: how many, their sum, and how many in each bucket."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.total = 0
        self.buckets: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    def add(self, bucket: int, number: int, total: int) -> None:
        """Add values of one bucket, and a sum."""
        self.total += total
        if number:
            self.buckets[bucket] = self.buckets.get(bucket, 0) + number

    def merge(self, other: Spread) -> None:
        """Add all of another's."""
        self.total += other.total
        for bucket, number in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + number


class Spreads(dict[int, Spread]):
    """Spreads by measure, of one queue and class."""

    def of(self, measure: int) -> Spread:
        """Return the spread of a measure; an empty one if there was none."""
        spread = self.get(measure)
        if spread is None:
            spread = self[measure] = Spread()
        return spread

    def merge(self, other: Spreads) -> None:
        """Add all of another's."""
        for measure, spread in other.items():
            self.of(measure).merge(spread)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of the jobs of one class in one queue, in one span."""

    minute: int
    """In which the span begins, since the epoch."""
    queue: str
    job: str
    spreads: Spreads


def pack_spreads(spreads: Spreads) -> bytes:
    """Write spreads as one row of numbers: measure, sum, number of buckets, then each and its count."""
    numbers: list[int] = []
    for measure, spread in sorted(spreads.items()):
        numbers += (measure, spread.total, len(spread.buckets))
        for pair in sorted(spread.buckets.items()):
            numbers += pair
    return _encode(numbers)


def unpack_spreads(packed: bytes) -> Spreads:
    """Read what `pack_spreads` wrote."""
    spreads = Spreads()
    numbers = iter(_decode(packed))
    for measure in numbers:
        spread = spreads.of(measure)
        spread.total = next(numbers)
        for _ in range(next(numbers)):
            bucket = next(numbers)
            spread.buckets[bucket] = next(numbers)
    return spreads


def readings_of(cells: Iterable[tuple[int, Cell, int, int]]) -> Iterator[Reading]:
    """Bring single cells, each with its minute, number and sum, together."""
    found: dict[tuple[int, str, str], Spreads] = {}
    for minute, (queue, job, measure, bucket), number, total in cells:
        found.setdefault((minute, queue, job), Spreads()).of(measure).add(bucket, number, total)
    for (minute, queue, job), spreads in found.items():
        yield Reading(minute=minute, queue=queue, job=job, spreads=spreads)


def merged(readings: Iterable[Reading], span: Span) -> list[Reading]:
    """Add readings up to one for each span, queue and class; in that order."""
    found: dict[tuple[int, str, str], Spreads] = {}
    for reading in readings:
        place = (span.start_of(reading.minute), reading.queue, reading.job)
        found.setdefault(place, Spreads()).merge(reading.spreads)
    return [
        Reading(minute=minute, queue=queue, job=job, spreads=spreads)
        for (minute, queue, job), spreads in sorted(found.items(), key=lambda item: item[0])
    ]
