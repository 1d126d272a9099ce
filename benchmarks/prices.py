"""What it costs a job to ask for something: signed or not, encrypted, limited, wrapped. Ratios of one run."""

from __future__ import annotations

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import options, stores
from benchmarks.bench_jobs import Hit, Limited, Sealed, Told, Wrapped
from benchmarks.measures import Drains
from benchmarks.pinning import pins
from benchmarks.report import Report
from benchmarks.stores import SITES, Site
from benchmarks.targets import PRICES as GOALS
from benchmarks.targets import TIMES, shown

HELP = "jobs a second of signed, measured, encrypted, limited and wrapped jobs, beside those that are none of it"


class Ware(NamedTuple):
    """What is paid for."""

    what: str
    kind: type[Hit] = Hit
    signed: bool = True
    measured: bool = True


PLAIN, UNSIGNED = Ware("plain"), Ware("unsigned", signed=False)
UNMEASURED = Ware("not measured", measured=False)


class Price(NamedTuple):
    """What two wares are compared for."""

    name: str
    paid: Ware
    free: Ware
    what: str


PRICES = (
    Price("signed", PLAIN, UNSIGNED, "signed"),
    Price("measured", PLAIN, UNMEASURED, "measured"),
    Price("encrypted", Ware("encrypted", Sealed), PLAIN, "encrypted"),
    Price("limited", Ware("limited", Limited), PLAIN, "one rate limit"),
    Price("wrapped", Ware("wrapped", Wrapped), PLAIN, "three middleware that call next"),
    Price("told", Ware("told", Told), PLAIN, "logging and timing"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, tuple(SITES))
    options.add_rounds(parser, 5)
    known = tuple(price.name for price in PRICES)
    parser.add_argument("--of", type=options.words(known), default=list(known), metavar="NAME,…", help=",".join(known))
    parser.add_argument("--jobs", type=int, default=60_000, help="of each drain, at the most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a drain lasts (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    chance = random.Random(1)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("prices", sites, pinned, options.said(args))
        drains = Drains(pinned, args.seconds, args.jobs)
        for number in range(args.rounds + 1):
            for site in sites:
                wares = [*dict.fromkeys(ware for price in _prices(site, args.of) for ware in (price.paid, price.free))]
                chance.shuffle(wares)  # whoever comes first finds a cold store
                for ware in wares:
                    rate = drains(site, signed=ware.signed, kind=ware.kind, measured=ware.measured)
                    if number:  # the first round only tells how many jobs fill the time
                        rates[site.name, ware.what].append(rate)
                print(f"  round {number} of {args.rounds}: {site.title}", flush=True)
    rows = [[site.title, *row] for site in sites for row in _rows(site, args.of, rates)]
    report.table("One worker process", ["store", "what", "jobs a second", "of what", "share", "goal", ""], rows)
    report.note("The share is the median of the rounds' ratios; each job has three short arguments and nothing to do.")
    report.keep("rates", [[*key, values] for key, values in rates.items()])
    report.save(args.results)


def _prices(site: Site, names: Sequence[str]) -> list[Price]:
    asked = [price for price in PRICES if price.name in names]
    return [price for price in asked if price.free is not UNSIGNED or not site.signs_always]


def _rows(site: Site, names: Sequence[str], rates: dict[tuple[str, str], list[float]]) -> Iterator[list[str]]:
    for price in _prices(site, names):
        paid, free = rates[site.name, price.paid.what], rates[site.name, price.free.what]
        share = statistics.median(one / other for one, other in zip(paid, free, strict=True))
        goal = GOALS.get(price.what)
        told = [str(goal), goal.verdict(share)] if goal is not None else ["", ""]
        yield [price.what, shown(statistics.median(paid)), price.free.what, f"{share:.2f}{TIMES}", *told]
