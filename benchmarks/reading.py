"""What it costs to look: `qctl stats --json` where a million jobs are stored, beside a store that holds a thousand."""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import options, stores
from benchmarks.bench_jobs import Hit, hit
from benchmarks.lab import Lab
from benchmarks.pinning import pin, pins
from benchmarks.report import Report
from benchmarks.targets import LOOKING, TIMES

HELP = "seconds that `qctl stats --json` takes with many jobs stored, beside a store that holds 1,000"
_CONTROL = 1_000
_QUEUES = 10
_DAY_S = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, ("sqlite", "postgresql", "redis"))
    options.add_rounds(parser, 15)
    parser.add_argument("--jobs", type=lambda text: int(float(text)), default=1_000_000, help="stored (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    rows, kept = [], []
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("reading", sites, pinned, options.said(args))
        for site in sites:
            with ExitStack() as opened:
                control, full = (opened.enter_context(Lab(site, pinned)) for _ in range(2))
                control.fill(_jobs(_CONTROL))
                full.fill(_jobs(args.jobs))
                for lab in (control, full):
                    _look(lab)  # files are in the cache of the host, and the planner has met them
                rounds = [(_look(control), _look(full)) for _ in range(args.rounds)]
            few_s, many_s = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(many / few for few, many in rounds)
            told = (f"{1000 * few_s:.0f} ms", f"{1000 * many_s:.0f} ms", f"{ratio:.2f}{TIMES}")
            rows.append([site.title, *told, str(LOOKING), LOOKING.verdict(ratio)])
            kept.append([site.name, rounds])
    heads = ["store", f"{_CONTROL:,} jobs", f"{args.jobs:,} jobs", "ratio", "goal", ""]
    report.table("qctl stats --json", heads, rows)
    report.note(
        f"In {_QUEUES} queues: 7 in 10 pending, 1 in 10 of other priorities, 2 in 10 delayed. Each call is a process."
    )
    report.keep("seconds", kept)
    report.save(args.results)


def _jobs(count: int) -> Iterator[Hit]:
    for number in range(count):
        job = hit().on_queue(f"queue{number % _QUEUES}")
        share = number // _QUEUES % 10
        if share < 2:  # noqa: PLR2004  as the note says
            job.delay_until(_DAY_S)
        elif share == 2:  # noqa: PLR2004  as the note says
            job.with_priority(random.randint(-10, 10))
        yield job


def _look(lab: Lab) -> float:
    """Seconds of one call."""
    command = [sys.executable, "-m", "qctl", "stats", "--json"]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=lab.environment(), cwd=lab.folder, stdout=subprocess.DEVNULL)
    pin(process.pid, lab.pins.clients)
    if process.wait():
        raise RuntimeError(f"qctl stats ended with {process.returncode}")
    return time.perf_counter() - began
