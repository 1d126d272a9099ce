"""What large arguments cost: dispatched one by one, 1,000 a call, and drained by one process."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict

from benchmarks import options, stores
from benchmarks.lab import Lab
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES
from benchmarks.targets import shown

HELP = "payloads of 1, 10 and 100 KB"
_KB = 1_024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--sizes", type=options.numbers, default="1,10,100", metavar="KB,…", help="(%(default)s)")
    parser.add_argument("--megabytes", type=int, default=20, help="dispatched each way, for each size (%(default)s)")
    parser.add_argument("--jobs", type=int, default=5_000, help="each way, at the most (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    figures: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("payloads", sites, pinned, options.said(args))
        for _ in range(args.rounds):
            for site in sites:
                for size in args.sizes:
                    count = max(1, min(args.jobs, args.megabytes * _KB // size))
                    with Lab(site, pinned) as lab:
                        figures[site.name, size].append(_once(lab, count, size * _KB))
    rows = []
    for site in sites:
        for size in args.sizes:
            medians = [statistics.median(column) for column in zip(*figures[site.name, size], strict=True)]
            rows.append([site.title, f"{size} KB", *map(shown, medians), f"{medians[2] * size / _KB:,.1f} MB/s"])
    head = ["store", "argument", "dispatch one by one", "dispatch_many", "drain, 1 process", "drained"]
    report.table("Large arguments", head, rows)
    report.keep("figures", [[*key, values] for key, values in figures.items()])
    report.save(args.results)


def _once(lab: Lab, count: int, size: int) -> tuple[float, float, float]:
    with lab.workers(1):
        with lab.gate():
            made = lab.produce("blobs", count, size)
        total = int(made["sent"]) + 1  # the producer's first one is small
        lab.await_hits(total)
        ended = lab.await_empty()
        return made["rate"], made["bulk"], total / (ended - lab.hits()[0][1])
