"""Several jobs at a time in one process: in threads and on an event loop, with and without something to wait for."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from typing import NamedTuple

from benchmarks import options, stores
from benchmarks.bench_jobs import AsyncHit, AsyncSleep, Hit, Sleep
from benchmarks.measures import Drains
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES
from benchmarks.targets import shown

HELP = "drains by one process with threads, and on an event loop"


class Mode(NamedTuple):
    """How one process runs jobs, and which."""

    title: str
    kind: type[Hit]
    flags: tuple[str, ...] = ()
    places: int = 1


def _modes(threads: list[int], tasks: list[int]) -> list[Mode]:
    shapes = [("one at a time", (), 1, Hit, Sleep)]
    shapes += [(f"{n} threads", ("--threads", str(n)), n, Hit, Sleep) for n in threads]
    shapes += [(f"{n} on an event loop", ("--async", str(n)), n, AsyncHit, AsyncSleep) for n in tasks]
    return [
        mode
        for title, flags, places, quick, slow in shapes
        for mode in (Mode(title, quick, flags, places), Mode(f"{title}, waiting 5 ms", slow, flags, places))
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--threads", type=options.numbers, default="8,32", metavar="N,…", help="(%(default)s)")
    parser.add_argument(
        "--async", type=options.numbers, default="32,200", metavar="N,…", dest="tasks", help="(%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=50_000, help="of one drain, at the most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one drain, about (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    modes = _modes(args.threads, args.tasks)
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("concurrency", sites, pinned, options.said(args))
        drains = Drains(pinned, args.seconds, args.jobs)
        for number in range(args.rounds + 1):
            for site in sites:
                for mode in modes:
                    rate = drains(site, 1, *mode.flags, kind=mode.kind)
                    if number:  # the first round finds how many jobs a drain needs
                        figures[mode.title, site.name].append(rate)
    rows = [
        [
            mode.title,
            *(shown(statistics.median(figures[mode.title, site.name])) for site in sites),
            shown(mode.places / Sleep.seconds) if mode.kind in {Sleep, AsyncSleep} else "-",
        ]
        for mode in modes
    ]
    report.table("Drain, 1 process", ["", *(site.title for site in sites), "waiting alone allows"], rows)
    report.keep("figures", [[*key, values] for key, values in figures.items()])
    report.save(args.results)
