"""From dispatch to the end of the job while the worker is half busy.

The job computes for 1 ms. A drain tells how many of them one process ends a second; half as many are then dispatched
one by one at random instants.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict

from benchmarks import options, stores
from benchmarks.bench_jobs import Spin
from benchmarks.lab import Lab
from benchmarks.measures import drain, percentile
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES
from benchmarks.targets import shown

HELP = "milliseconds from dispatch to the job's end, at half of what one process can do"
_SHARES = (0.50, 0.90, 0.99, 0.999)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--load", type=float, default=0.5, help="share of what one process can do (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, each round (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1_000, help="of the drain that finds the most (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    waits: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("latency", sites, pinned, options.said(args))
        for _ in range(args.rounds):
            for site in sites:
                with Lab(site, pinned) as lab:
                    most = drain(lab, args.jobs, 1, (), Spin)
                with Lab(site, pinned) as lab, lab.workers(1):
                    made = lab.produce("load", args.load * most, args.seconds)
                    lab.await_hits(int(made["sent"]) + 1)
                    waits[site.name] += [1_000 * (ended - sent) for sent, ended in lab.hits()][1:]
                rates[site.name].append((most, made["rate"]))
    rows = []
    for site in sites:
        most, got = (statistics.median(column) for column in zip(*rates[site.name], strict=True))
        times = [shown(percentile(waits[site.name], share), " ms") for share in _SHARES]
        rows.append([site.title, shown(most), shown(got), *times])
    head = ["store", "most", "load", *(f"p{100 * share:g}" for share in _SHARES)]
    report.table(f"Dispatch to end, a job of 1 ms, at {args.load:.0%} load", head, rows)
    report.keep("waits_ms", waits)
    report.keep("rates", rates)
    report.save(args.results)
