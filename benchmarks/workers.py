"""What a worker promises beside speed: it idles for nothing, picks up at once, and fills its threads and tasks."""

from __future__ import annotations

import argparse
import time

from benchmarks import options, stores
from benchmarks.bench_jobs import AsyncNap, Nap
from benchmarks.lab import Lab
from benchmarks.measures import cpu_s, drain, percentile, pickups
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES
from benchmarks.targets import Target, shown

HELP = "an idle worker's share of a core, its pickups, and how full 4 threads and 200 tasks are"
_SETTLE_S = 3.0
_SHAPES: dict[str, tuple[type[Nap], tuple[str, ...], int]] = {
    "4 threads": (Nap, ("--threads", "4"), 4),
    "200 tasks": (AsyncNap, ("--async", "200"), 200),
}
_FULL = 0.9
"""Of what the waiting alone allows."""
_IDLE = Target(1.0, " %", most=True)
_PICKUP = {"sqlite": (3.0, 15.0), "redis": (2.0, 15.0), "postgresql": (2.0, 15.0), "mariadb": (30.0, 60.0)}
"""Milliseconds at the most, at the median and at the 99th of a hundred."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    parser.add_argument("--idle", type=float, default=20.0, help="seconds in which nothing is to do (%(default)s)")
    parser.add_argument("--pickups", type=int, default=300, help="dispatches, 10 to 20 ms apart (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each drain (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    rows: list[list[str]] = []
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("workers", sites, pinned, options.said(args))
        for site in sites:
            with Lab(site, pinned) as lab:
                rows.append([site.title, "idle", *_judged(_idle_percent(lab, args.idle), _IDLE)])
            with Lab(site, pinned) as lab:
                waits, _ = pickups(lab, args.pickups)
            for share, most in zip((0.5, 0.99), _PICKUP[site.name.partition("-")[0]], strict=True):
                goal = Target(most, " ms", most=True)
                rows.append([site.title, f"pickup p{100 * share:g}", *_judged(percentile(waits, share), goal)])
            for title, (kind, flags, places) in _SHAPES.items():
                ideal = places / kind.seconds
                with Lab(site, pinned) as lab:
                    rate = drain(lab, int(ideal * args.seconds), 1, flags, kind)
                rows.append([site.title, title, *_judged(rate, Target(_FULL * ideal))])
    report.table("One worker process", ["store", "what", "measured", "goal", ""], rows)
    report.keep("rows", rows)
    report.save(args.results)


def _judged(value: float, goal: Target) -> tuple[str, str, str]:
    return shown(value, goal.unit), str(goal), goal.verdict(value)


def _idle_percent(lab: Lab, seconds: float) -> float:
    """Of one core, supervisor and child together."""
    with lab.workers(1) as supervisor:
        time.sleep(_SETTLE_S)
        before, began = cpu_s(supervisor), time.monotonic()
        time.sleep(seconds)
        return 100 * (cpu_s(supervisor) - before) / (time.monotonic() - began)
