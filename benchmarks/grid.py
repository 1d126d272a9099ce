"""Producers beside workers: what passes through when so many of each have at it."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator

from benchmarks import options, stores
from benchmarks.lab import Lab, answer_of
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES
from benchmarks.targets import shown

HELP = "producers by workers: jobs a second from end to end, dispatched one by one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--producers", type=options.numbers, default="1,2,4", metavar="N,…", help="(%(default)s)")
    parser.add_argument("--workers", type=options.numbers, default="1,2,4", metavar="N,…", help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of dispatching, each time (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    figures: dict[tuple[str, int, int], list[tuple[float, float]]] = defaultdict(list)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("grid", sites, pinned, options.said(args))
        for _ in range(args.rounds):
            for site in sites:
                for producers, workers in _pairs(args):
                    with Lab(site, pinned) as lab:
                        figures[site.name, producers, workers].append(_once(lab, producers, workers, args.seconds))
    for site in sites:
        rows = []
        for producers in args.producers:
            cells = [figures[site.name, producers, workers] for workers in args.workers]
            medians = [[statistics.median(column) for column in zip(*cell, strict=True)] for cell in cells]
            rows.append([str(producers), *(f"{shown(ended)} (in: {shown(sent)})" for sent, ended in medians)])
        head = ["producers", *(f"{workers} worker processes" for workers in args.workers)]
        report.table(f"{site.title}: jobs ended a second (dispatched a second)", head, rows)
    report.note("Ended: from the first dispatch until the store was empty.")
    report.keep("figures", [[*key, values] for key, values in figures.items()])
    report.save(args.results)


def _pairs(args: argparse.Namespace) -> Iterator[tuple[int, int]]:
    return ((producers, workers) for producers in args.producers for workers in args.workers)


def _once(lab: Lab, producers: int, workers: int, seconds: float) -> tuple[float, float]:
    """Jobs dispatched, and jobs ended, a second."""
    with lab.workers(workers):
        said = [answer_of(one) for one in [lab.start_producer("flood", seconds) for _ in range(producers)]]
        total = sum(int(one["sent"]) + 1 for one in said)
        lab.await_hits(total)
        ended = lab.await_empty()
        return sum(one["rate"] for one in said), total / (ended - min(sent for sent, _ in lab.hits()))
