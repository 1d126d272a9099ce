"""Cost per job as the store fills: pending jobs, and what else may lie about.

Each point is measured in turns with a control, a database of the same server that holds 1,000 pending jobs: what is
told is the ratio, which the machine's moods do not touch. One worker process works off some jobs at a time; between,
USR2 pauses it, and as many are dispatched as are missing, so that the size holds.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import options, plot, stores
from benchmarks.bench_jobs import Fail, Hit, hit
from benchmarks.lab import QUEUE, Lab, until
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import Site
from benchmarks.targets import FLAT, TIMES

if TYPE_CHECKING:
    from psutil import Process

HELP = "cost per job at 10³ to 10⁷ pending jobs, with many delayed or failed ones, 50 queues, mixed priorities"
OPERATIONS = ("work", "dispatch_many", "dispatch")
_CONTROL = 1_000
_RAMP = 0.2
"""Share of the jobs of a sample that the worker takes to find its stride."""
_DAY_S = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, ("redis", "postgresql", "sqlite"))
    options.add_rounds(parser, 10)
    levels = "1e3,1e4,1e5,1e6"
    parser.add_argument("--levels", type=options.numbers, default=levels, metavar="N,…", help="pending (%(default)s)")
    parser.add_argument("--beside", type=float, default=1e5, help="delayed, failed, mixed, in 50 queues (%(default)g)")
    parser.add_argument("--sample", type=int, default=2_000, help="jobs worked off at a time (%(default)s)")
    parser.add_argument("--ones", type=int, default=100, help="dispatches one by one each time (%(default)s)")
    parser.add_argument("--plot", type=Path, help="draw the levels there, as SVG")


class Point(NamedTuple):
    """One size of one store."""

    store: str
    what: str
    size: int
    cost_us: dict[str, float]
    """Operation → microseconds a job, median."""
    ratio: dict[str, float]
    """Operation → that in the control's, median of the rounds."""


class Subject:
    """A database with a worker that is paused but for the samples."""

    def __init__(self, lab: Lab, worker: Process, queues: list[str], make: Callable[[], Hit]) -> None:
        self._lab = lab
        self._worker = worker
        self._queues = queues
        self._make = make

    def pause(self) -> None:
        """Stop the worker, and wait until it holds nothing."""
        self._worker.send_signal(signal.SIGUSR2)
        seen = [-1, -1]

        def is_still() -> bool:
            seen[:] = seen[1], self._lab.count_hits()
            return seen[0] == seen[1] and not sum(one.processing for one in self._counts())

        until(is_still, "the paused worker holds nothing", look_s=0.05)

    def fill_to(self, size: int) -> None:
        """Dispatch until so many are pending."""
        missing = size - sum(one.pending for one in self._counts())
        self._lab.fill(self._jobs(max(0, missing)))

    def sample(self, size: int, count: int, ones: int) -> dict[str, float]:
        """Microseconds a job of each operation, where `size` jobs wait besides those of the sample."""
        self.fill_to(size - ones)
        bulk_s = self._lab.fill(self._jobs(count))
        single = list(self._jobs(ones))
        began = time.perf_counter()
        with self._lab.manager.using():
            for job in single:
                job.dispatch()
        single_s = time.perf_counter() - began
        return {
            "work": 1e6 * self._work(count),
            "dispatch_many": 1e6 * bulk_s / count,
            "dispatch": 1e6 * single_s / ones,
        }

    def _work(self, count: int) -> float:
        """Let the worker run so many, and seconds a job once it has found its stride."""
        self._lab.forget_hits()
        self._worker.send_signal(signal.SIGCONT)
        self._lab.await_hits(count)
        self.pause()
        starts = [started for _, started in self._lab.hits()[:count]]
        first = int(count * _RAMP)
        return (starts[-1] - starts[first]) / (count - 1 - first)

    def _jobs(self, count: int) -> Iterator[Hit]:
        for number in range(count):
            yield self._make().on_queue(self._queues[number % len(self._queues)])

    def _counts(self) -> Any:
        return self._lab.manager.connection().counts()


@contextlib.contextmanager
def subject(
    site: Site,
    pinned: Pins,
    queues: int = 1,
    make: Callable[[], Hit] = hit,
    prepare: Callable[[Lab], object] | None = None,
) -> Iterator[Subject]:
    """A database of its own with a worker, paused."""
    names = [QUEUE] if queues == 1 else [f"queue{number}" for number in range(queues)]
    with Lab(site, pinned) as lab, lab.workers(1, queue=",".join(names)) as worker:
        if prepare:
            prepare(lab)
        made = Subject(lab, worker, names, make)
        made.pause()
        yield made


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    beside = int(args.beside)
    points: list[Point] = []
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("growth", sites, pinned, options.said(args))
        for site in sites:
            with subject(site, pinned) as control:
                points += _levels(site, pinned, control, args)
                for what, size, how in _conditions(beside):
                    with subject(site, pinned, **how) as other:
                        points.append(_compare(site, what, size, control, other, args))
    for operation in OPERATIONS:
        largest = max(args.levels)
        report.table(
            f"{operation}, µs a job (in that of the control, which has {_CONTROL:,} pending)",
            ["", *(site.title for site in sites), f"flat: {FLAT} of 1,000"],
            _rows(points, [site.name for site in sites], operation, largest),
        )
    report.keep("points", [point._asdict() for point in points])
    if args.plot:
        levels = [point for point in points if point.what == "pending"]
        titles = {site.name: site.title for site in sites}
        args.plot.write_text(plot.growth(levels, titles, OPERATIONS), encoding="utf-8")
    report.save(args.results)


def _levels(site: Site, pinned: Pins, control: Subject, args: argparse.Namespace) -> Iterator[Point]:
    with subject(site, pinned) as growing:
        for level in sorted(args.levels):
            yield _compare(site, "pending", level, control, growing, args)


def _conditions(size: int) -> list[tuple[str, int, dict[str, Any]]]:
    def delayed(lab: Lab) -> None:
        lab.fill(hit().delay_until(_DAY_S) for _ in range(size))

    def failed(lab: Lab) -> None:
        lab.fill(hit(Fail) for _ in range(size))
        lab.await_hits(size)
        lab.await_empty()

    def mixed() -> Hit:
        return hit().with_priority(random.randint(-10, 10))

    return [
        ("delayed, 1,000 pending", size, {"prepare": delayed}),
        ("failed, 1,000 pending", size, {"prepare": failed}),
        ("pending in 50 queues", size, {"queues": 50}),
        ("pending, priorities mixed", size, {"make": mixed}),
    ]


def _compare(site: Site, what: str, size: int, control: Subject, other: Subject, args: argparse.Namespace) -> Point:
    """Measure both in turns."""
    level = _CONTROL if "1,000 pending" in what else size
    other.fill_to(level)
    rounds = [
        (control.sample(_CONTROL, args.sample, args.ones), other.sample(level, args.sample, args.ones))
        for _ in range(args.rounds)
    ]
    point = Point(
        site.name,
        what,
        size,
        {name: statistics.median(other[name] for _, other in rounds) for name in OPERATIONS},
        {name: statistics.median(other[name] / control[name] for control, other in rounds) for name in OPERATIONS},
    )
    costs = ", ".join(f"{name} {point.cost_us[name]:.1f} µs ({point.ratio[name]:.2f}{TIMES})" for name in OPERATIONS)
    print(f"  {site.title}, {size:,} {what}: {costs}", flush=True)
    return point


def _rows(points: list[Point], names: list[str], operation: str, largest: int) -> Iterator[list[str]]:
    for what, size in dict.fromkeys((point.what, point.size) for point in points):
        row = {point.store: point for point in points if (point.what, point.size) == (what, size)}
        worst = max(point.ratio[operation] for point in row.values())
        bound = what != "pending" or size == largest
        yield [
            f"{size:,} {what}",
            *(f"{row[name].cost_us[operation]:.1f} ({row[name].ratio[operation]:.2f}{TIMES})" for name in names),
            FLAT.verdict(worst) if bound else "",
        ]
