"""What a job of a large batch costs beside a plain one, and what its producer holds of it. Ratios of one run."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks import options, stores
from benchmarks.lab import Lab
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site
from benchmarks.targets import BATCHED, TIMES, shown
from qcore import JobBatch

HELP = "a batch of 100,000 jobs beside as many plain ones: cost of each, memory of the producer, exact counters"


class Cost(NamedTuple):
    """Of a job, in microseconds."""

    dispatch: float
    drain: float
    memory: tuple[float, ...] = ()
    """Of the producer in MB, after a tenth of the jobs and at the end."""

    @property
    def whole(self) -> float:
        return self.dispatch + self.drain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--jobs", type=int, default=100_000, help="of a batch (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("flows", sites, pinned, options.said(args))
        rows = [[site.title, *row] for site in sites for row in _rows(site, pinned, args)]
    head = ["store", "what", "dispatch of a job", "drain of a job", "both", "ratio", "goal", "", "producer, MB"]
    report.table(f"{args.jobs:,} jobs, one worker process", head, rows)
    report.note("The ratio is the median of the rounds' ratios, a batch over plain jobs, dispatch and drain together.")
    report.keep("rows", rows)
    report.save(args.results)


def _rows(site: Site, pinned: Pins, args: argparse.Namespace) -> Iterator[list[str]]:
    pairs = [(_plain(site, pinned, args.jobs), _batch(site, pinned, args.jobs)) for _ in range(args.rounds)]
    ratio = statistics.median(batch.whole / plain.whole for plain, batch in pairs)
    verdict = "met" if ratio <= BATCHED else "missed"
    yield ["plain", *_middle([plain for plain, _ in pairs]), "", "", "", ""]
    memory = " → ".join(f"{one:.0f}" for one in pairs[-1][1].memory)
    told = [f"{ratio:.2f}{TIMES}", f"≤ {BATCHED}{TIMES}", verdict, memory]
    yield ["batch", *_middle([batch for _, batch in pairs]), *told]


def _middle(costs: list[Cost]) -> list[str]:
    parts = ([one.dispatch for one in costs], [one.drain for one in costs], [one.whole for one in costs])
    return [shown(statistics.median(values), " µs") for values in parts]


def _plain(site: Site, pinned: Pins, count: int) -> Cost:
    with Lab(site, pinned) as lab, lab.workers(1):
        with lab.gate():
            dispatched = lab.produce("bulk", count)
        return Cost(_micro(dispatched["seconds"], count), _drained(lab, count))


def _batch(site: Site, pinned: Pins, count: int) -> Cost:
    with Lab(site, pinned) as lab, lab.workers(1):
        with lab.gate():
            dispatched = lab.produce("batch", count)
        drain = _drained(lab, count)
        with lab.manager.using():
            found = JobBatch.find(dispatched["id"])
        exact = (found.total_jobs, found.processed_jobs, found.pending_jobs, found.finished())
        if exact != (count, count, 0, True):
            raise RuntimeError(f"{site.title}: the counters of the batch are {exact}")
        return Cost(_micro(dispatched["seconds"], count), drain, tuple(dispatched["memory"]))


def _drained(lab: Lab, count: int) -> float:
    lab.await_hits(count + 1)  # the producer opens its connection with one more
    ended = lab.await_empty()
    return _micro(ended - lab.hits()[0][1], count)


def _micro(seconds: float, count: int) -> float:
    return 1e6 * seconds / count
