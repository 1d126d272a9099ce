"""What a worker promises beside speed: it idles for nothing, picks up at once, and fills its threads and tasks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks import options, stores
from benchmarks.bench_jobs import AsyncNap, Nap, Sleep
from benchmarks.lab import Lab
from benchmarks.measures import cpu_s, drain, percentile, pickups
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site, kind_of
from benchmarks.targets import FULL, IDLE, SPACED_PICKUP, Target, shown

HELP = "an idle worker's share of a core, its pickups, and how full 4 threads and 200 tasks are"
_SETTLE_S = 3.0
_SHAPES: dict[str, tuple[type[Sleep], tuple[str, ...], int]] = {
    "4 threads": (Nap, ("--threads", "4"), 4),
    "200 tasks": (AsyncNap, ("--async", "200"), 200),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    parser.add_argument("--idle", type=float, default=20.0, help="seconds in which nothing is to do (%(default)s)")
    parser.add_argument("--pickups", type=int, default=300, help="dispatches, 10 to 20 ms apart (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each drain (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("workers", sites, pinned, options.said(args))
        rows = [[site.title, *row] for site in sites for row in _rows(site, pinned, args)]
    report.table("One worker process", ["store", "what", "measured", "goal", ""], rows)
    report.keep("rows", rows)
    report.save(args.results)


def _rows(site: Site, pinned: Pins, args: argparse.Namespace) -> Iterator[list[str]]:
    with Lab(site, pinned) as lab:
        yield _row("idle", _idle_percent(lab, args.idle), IDLE)
    with Lab(site, pinned) as lab:
        waits = pickups(lab, args.pickups)
    for share, goal in SPACED_PICKUP[kind_of(site.name)].items():
        yield _row(f"pickup p{100 * share:g}", percentile(waits.stored, share), goal)
    for share in SPACED_PICKUP[kind_of(site.name)]:
        yield [f"p{100 * share:g} with its dispatch", shown(percentile(waits.asked, share), " ms"), "", ""]
    for title, (kind, flags, places) in _SHAPES.items():
        ideal = places / kind.seconds
        with Lab(site, pinned) as lab:
            rate = drain(lab, int(ideal * args.seconds), 1, flags, kind)
        yield _row(title, rate, Target(FULL * ideal))


def _row(what: str, value: float, goal: Target) -> list[str]:
    return [what, shown(value, goal.unit), str(goal), goal.verdict(value)]


def _idle_percent(lab: Lab, seconds: float) -> float:
    """Of one core, supervisor and child together."""
    with lab.workers(1) as supervisor:
        time.sleep(_SETTLE_S)
        before, began = cpu_s(supervisor), time.monotonic()
        time.sleep(seconds)
        return 100 * (cpu_s(supervisor) - before) / (time.monotonic() - began)
