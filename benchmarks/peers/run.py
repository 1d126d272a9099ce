"""The run: every configuration once a round, then ours in the peers'."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks import options, stores
from benchmarks.measures import percentile
from benchmarks.peers import environments
from benchmarks.peers.harness import Bench
from benchmarks.peers.specs import OURS, PEERS, Spec
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import Site, kind_of
from benchmarks.targets import PEERS as TARGETS
from benchmarks.targets import TIMES, shown

HELP = "ours beside the peers, in one run"
RATES = ("drain1", "drain2", "enqueue", "bulk")
_TITLES = ("drain, 1 process", "drain, 2 processes", "dispatch one by one", "in bulk")

Figures = dict[tuple[str, str], list[float]]
"""(configuration, measure) → one value a round; of `waits` all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, ("redis", "postgresql", "sqlite"))
    options.add_rounds(parser)
    parser.add_argument("--jobs", type=int, default=20_000, help="of a peer's drain; ours has more (%(default)s)")
    parser.add_argument("--samples", type=int, default=100, help="pickups each round (%(default)s)")
    parser.add_argument(
        "--only", default="", metavar="WORD,…", help="peers whose name has one of these, of all there are"
    )
    parser.add_argument("--all", action="store_true", help="every peer there is")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    peers, too_new = _wanted(args)
    for spec in peers:
        environments.ready(spec.venv)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("peers", sites, pinned, options.said(args))
        figures, failed = _measure(sites, peers, pinned, args)
    for site in sites:
        here = [one for one in peers if kind_of(site.name) == one.store]
        head = ["", *_TITLES, "pickup p50 · p99", "memory, PSS", "job of a killed worker"]
        report.table(site.title, head, (_row(figures, site, spec) for spec in [OURS[site.name], *here]))
        if here:
            report.table(f"{site.title}: ours in theirs", ["", *_TITLES], (_ratios(figures, site, one) for one in here))
    for key, reason in failed.items():
        report.note(f"{key} failed: {reason[-600:]}")
    for spec in too_new:
        report.note(f"{spec.name} is left out: it needs Python {'.'.join(map(str, spec.python))}.")
    report.note(
        "A peer's drain ends with the last start of a job, ours when the store is empty. Both begin with the first "
        "start; jobs are there when the workers start. Ours signs payloads."
    )
    report.keep("figures", [[*key, values] for key, values in figures.items()])
    report.save(args.results)


def _measure(
    sites: Sequence[Site], peers: Sequence[Spec], pinned: Pins, args: argparse.Namespace
) -> tuple[Figures, dict[str, str]]:
    """Every configuration once a round; one that fails is not tried again."""
    figures: Figures = defaultdict(list)
    failed: dict[str, str] = {}
    for number in range(1, args.rounds + 1):
        for site in sites:
            for spec in [OURS[site.name], *(one for one in peers if kind_of(site.name) == one.store)]:
                key = f"{spec.name} on {site.name}"
                if key in failed:
                    continue
                try:
                    _once(key, spec, site, pinned, args, figures)
                except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                    failed[key] = f"{type(error).__name__}: {error}"
                print(f"  round {number} of {args.rounds}: {key}", flush=True)
    return figures, failed


def _wanted(args: argparse.Namespace) -> tuple[list[Spec], list[Spec]]:
    """The peers to measure, and those that this Python is too old for."""
    words = [word for word in args.only.split(",") if word]
    kinds = {kind_of(name) for name in args.stores}
    chosen = [
        spec
        for spec in PEERS
        if spec.store in kinds and (any(word in spec.name for word in words) if words else args.all or spec.default)
    ]
    fits = [spec for spec in chosen if sys.version_info[:2] >= spec.python]
    return fits, [spec for spec in chosen if spec not in fits]


def _once(key: str, spec: Spec, site: Site, pinned: Pins, args: argparse.Namespace, figures: Figures) -> None:
    """Everything of one configuration, once."""
    n = min(spec.n or args.jobs, args.jobs)
    with tempfile.TemporaryDirectory(prefix="qctl-bench-") as folder:
        with Bench(spec, site, pinned, Path(folder)) as bench:
            waits, memory = bench.latency(args.samples)
            figures[key, "waits"] += waits
            figures[key, "memory"].append(memory)
        for processes in (1, 2):
            with Bench(spec, site, pinned, Path(folder)) as bench:
                figures[key, "enqueue"].append(n / bench.drive("send", n))
                more = n * (spec.times - 1)
                if more:
                    bench.drive("bulk", more)
                figures[key, f"drain{processes}"].append(bench.drain(processes, n + more))
        if spec.bulk:
            with Bench(spec, site, pinned, Path(folder)) as bench:
                figures[key, "bulk"].append(args.jobs / bench.drive("bulk", args.jobs))


def _median(figures: Figures, key: str, measure: str) -> float | None:
    values = figures.get((key, measure))
    return statistics.median(values) if values else None


def _row(figures: Figures, site: Site, spec: Spec) -> list[str]:
    key = f"{spec.name} on {site.name}"
    waits: Sequence[float] = figures.get((key, "waits"), [])
    pickup = " · ".join(shown(percentile(waits, share), " ms") for share in (0.50, 0.99)) if waits else "-"
    rates = [shown(_median(figures, key, measure)) for measure in RATES]
    return [spec.name, *rates, pickup, shown(_median(figures, key, "memory"), " MB"), spec.keeps]


def _ratios(figures: Figures, site: Site, spec: Spec) -> list[str]:
    """How many times as fast ours is, and whether that is enough."""
    cells = [spec.name]
    for measure in RATES:
        ours = _median(figures, f"{OURS[site.name].name} on {site.name}", measure)
        theirs = _median(figures, f"{spec.name} on {site.name}", measure)
        wanted = TARGETS.get(kind_of(site.name), {}).get(spec.name, {}).get(measure)
        cells.append(_ratio(ours / theirs, wanted) if ours and theirs else "-")
    return cells


def _ratio(ratio: float, wanted: float | None) -> str:
    text = f"{ratio:.2f}{TIMES}"
    if wanted is None:
        return text
    verdict = "met" if ratio >= wanted else f"missed by {1 - ratio / wanted:.0%}"
    return f"{text} (≥ {wanted:g}{TIMES}: {verdict})"
