"""What it costs a job to ask for something: signed or not, encrypted, limited, wrapped. Ratios of one run."""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks import options, stores
from benchmarks.bench_jobs import Hit, Limited, Sealed, Told, Wrapped
from benchmarks.measures import Drains
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site
from benchmarks.targets import PRICES, TIMES, shown

HELP = "jobs a second of signed, measured, encrypted, limited and wrapped jobs, beside those that are none of it"


class Ware(NamedTuple):
    """What is paid for."""

    what: str
    kind: type[Hit] = Hit
    signed: bool = True
    measured: bool = True


PLAIN, UNSIGNED = Ware("signed"), Ware("unsigned", signed=False)
UNMEASURED = Ware("not measured", measured=False)
WARES = (
    Ware("encrypted", Sealed),
    Ware("one rate limit", Limited),
    Ware("three middleware that call next", Wrapped),
    Ware("logging and timing", Told),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser)
    parser.add_argument("--jobs", type=int, default=20_000, help="of each drain, at the most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a drain lasts (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("prices", sites, pinned, options.said(args))
        drains = Drains(pinned, args.seconds, args.jobs)
        for _ in range(args.rounds):
            for site in sites:
                for ware in _wares(site):
                    rate = drains(site, signed=ware.signed, kind=ware.kind, measured=ware.measured)
                    rates[site.name, ware.what].append(rate)
    rows = [[site.title, *row] for site in sites for row in _rows(site, rates)]
    report.table("One worker process", ["store", "what", "jobs a second", "of what", "share", "goal", ""], rows)
    report.note("The share is the median of the rounds' ratios; each job has three short arguments and nothing to do.")
    report.keep("rates", [[*key, values] for key, values in rates.items()])
    report.save(args.results)


def _wares(site: Site) -> Iterator[Ware]:
    yield PLAIN
    yield UNMEASURED
    if not site.signs_always:
        yield UNSIGNED
    yield from WARES


def _rows(site: Site, rates: dict[tuple[str, str], list[float]]) -> Iterator[list[str]]:
    pairs = [("measured", PLAIN, UNMEASURED), *((ware.what, ware, PLAIN) for ware in WARES)]
    if not site.signs_always:
        pairs.insert(0, (PLAIN.what, PLAIN, UNSIGNED))
    for what, ware, base in pairs:
        paid, free = rates[site.name, ware.what], rates[site.name, base.what]
        share = statistics.median(one / other for one, other in zip(paid, free, strict=True))
        goal = PRICES.get(what)
        told = [str(goal), goal.verdict(share)] if goal is not None else ["", ""]
        yield [what, shown(statistics.median(paid)), base.what, f"{share:.2f}{TIMES}", *told]
