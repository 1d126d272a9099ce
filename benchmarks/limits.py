"""How much of a rate limit several processes use, that have more jobs at hand than it lets start."""

from __future__ import annotations

import argparse
import statistics
import time
from bisect import bisect
from typing import NamedTuple

from benchmarks import options, stores
from benchmarks.bench_jobs import Paced, hit
from benchmarks.lab import Lab, until
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site
from benchmarks.targets import LIMITED, TIMES, shown

HELP = "share of a limit of 100 jobs a second that four processes use, and the most that one second held"
_AHEAD_S = 2
"""Jobs for so many seconds more are there, so that none is missing at the end."""


class Use(NamedTuple):
    """What became of a limit."""

    share: float
    most: int
    """That began within 0.95 s, by the jobs' own clocks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each round (%(default)s)")
    parser.add_argument("--processes", type=int, default=4, help="that take the jobs (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("limits", sites, pinned, options.said(args))
        uses = {site: [_use(site, pinned, args) for _ in range(args.rounds)] for site in sites}
    rows = [[site.title, *_row(found)] for site, found in uses.items()]
    head = ["store", "jobs a second", "share of the limit", "goal", "", "most in 0.95 s"]
    report.table(f"A limit of {Paced.PER_SECOND} a second, {args.processes} worker processes", head, rows)
    report.note("The share is the median of the rounds; the last column is the most of any round.")
    report.keep("uses", [[site.name, found] for site, found in uses.items()])
    report.save(args.results)


def _row(found: list[Use]) -> list[str]:
    share = statistics.median(use.share for use in found)
    rate = shown(share * Paced.PER_SECOND)
    return [rate, f"{share:.2f}{TIMES}", str(LIMITED), LIMITED.verdict(share), str(max(use.most for use in found))]


def _use(site: Site, pinned: Pins, args: argparse.Namespace) -> Use:
    with Lab(site, pinned) as lab, lab.workers(args.processes):
        with lab.gate():
            lab.fill(hit(Paced) for _ in range(int(Paced.PER_SECOND * (args.seconds + _AHEAD_S))))
        until(lab.count_hits, "the first job runs")
        time.sleep(args.seconds)
        starts = [started for _, started in lab.hits()]
    within = sum(started < starts[0] + args.seconds for started in starts)
    return Use(within / (Paced.PER_SECOND * args.seconds), _most_within(starts, 0.95))


def _most_within(starts: list[float], seconds: float) -> int:
    """The most that any window holds; the starts are in order."""
    return max(number - bisect(starts, started - seconds) + 1 for number, started in enumerate(starts))
