"""The table: what ours does on each store, beside what the store does without us and what must be reached."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator

from benchmarks import options, stores
from benchmarks.lab import Lab
from benchmarks.measures import Drains, help_s, percentile, pickups
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site
from benchmarks.targets import TARGETS, TIMES, UNITS, shown

HELP = "drain, dispatch, dispatch_many, pickup, memory and --help, on every store"
DRAIN, DRAIN_2, ONE, MANY = "drain, 1 process", "drain, 2 processes", "dispatch one by one", "dispatch_many"
P50, P99, MEMORY, TOOL = "pickup p50", "pickup p99", "idle memory, PSS", "qctl --help"
_DEFAULTS = {ONE: 2_000, MANY: 30_000}

Figures = dict[tuple[str, str, str], list[float]]
"""(measure, store, signed · unsigned · bare) → one value a round."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--jobs", type=int, default=100_000, help="of one drain, at the most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one drain, about (%(default)s)")
    parser.add_argument("--ones", type=int, default=_DEFAULTS[ONE], help="dispatches one by one (%(default)s)")
    parser.add_argument("--many", type=int, default=_DEFAULTS[MANY], help="jobs for dispatch_many (%(default)s)")
    parser.add_argument("--pickups", type=int, default=300, help="in all rounds together (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("table", sites, pinned, options.said(args))
        figures: Figures = defaultdict(list)
        waits: dict[str, list[float]] = defaultdict(list)
        drains = Drains(pinned, args.seconds, args.jobs)
        for number in range(args.rounds + 1):
            counts = (args.ones, args.many, -(-args.pickups // args.rounds))
            for site in sites:
                found, waited = _round(site, drains, pinned, counts)
                if number:  # the first round warms files and finds how many jobs a drain needs
                    waits[site.name] += waited
                    for key, value in found:
                        figures[key].append(value)
                print(f"  round {number} of {args.rounds}: {site.title}", flush=True)
        for name, values in waits.items():
            figures[P50, name, "signed"].append(percentile(values, 0.50))
            figures[P99, name, "signed"].append(percentile(values, 0.99))
        figures[TOOL, "", "signed"].append(help_s())
    report.table(
        "Ours",
        ["", "store", "signed", "unsigned", "bare client", "of bare", "must reach", ""],
        _rows(figures, sites),
    )
    report.note(
        "Medians. A drain runs from the first job's start until the store holds none. The bare client does the same "
        "without a queue around it: rows stored one by one, 1,000 in a step, leased and deleted in groups of 100."
    )
    report.keep("figures", [[*key, values] for key, values in figures.items()])
    report.keep("pickups_ms", waits)
    report.save(args.results)


def _round(
    site: Site, drains: Drains, pinned: Pins, counts: tuple[int, int, int]
) -> tuple[list[tuple[tuple[str, str, str], float]], list[float]]:
    """Everything once on one store."""
    found: list[tuple[tuple[str, str, str], float]] = []
    for signed in (True,) if site.signs_always else (True, False):
        kind = "signed" if signed else "unsigned"
        found.append(((DRAIN, site.name, kind), drains(site, 1, signed=signed)))
        found.append(((DRAIN_2, site.name, kind), drains(site, 2, signed=signed)))
        found += [
            ((measure, site.name, which or kind), value)
            for measure, which, value in _dispatches(site, pinned, counts, signed=signed)
        ]
    with Lab(site, pinned) as lab:
        waited, _, memory = pickups(lab, counts[2])
    found.append(((MEMORY, site.name, "signed"), memory))
    return found, waited


def _dispatches(
    site: Site, pinned: Pins, counts: tuple[int, int, int], *, signed: bool
) -> Iterator[tuple[str, str, float]]:
    with Lab(site, pinned, signed=signed) as lab:
        singly, many = lab.produce("pair", counts[0]), lab.produce("many", counts[1])
    yield ONE, "", singly["rate"]
    yield ONE, "bare", singly["bare"]
    yield MANY, "", many["rate"]
    yield MANY, "bare", many["bare"]
    yield DRAIN, "bare", many["bare_drain"]


def _rows(figures: Figures, sites: list[Site]) -> Iterator[list[str]]:
    for measure in (DRAIN, DRAIN_2, ONE, MANY, P50, P99, MEMORY):
        for site in sites:
            yield _row(figures, measure, site.name, site.title)
    yield _row(figures, TOOL, "", "")


def _row(figures: Figures, measure: str, store: str, title: str) -> list[str]:
    unit = UNITS.get(measure, "/s")
    median = {
        kind: statistics.median(values) if (values := figures.get((measure, store, kind))) else None
        for kind in ("signed", "unsigned", "bare")
    }
    ours, bare = median["signed"], median["bare"]
    target = TARGETS[measure].get(store)
    return [
        measure,
        title,
        shown(ours, unit),
        shown(median["unsigned"], unit),
        shown(bare, unit),
        f"{ours / bare:.2f}{TIMES}" if ours and bare else "-",
        str(target) if target else "-",
        target.verdict(ours, bare) if target else "",
    ]
