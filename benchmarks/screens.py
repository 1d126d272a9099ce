"""What a look at a full store costs: `qctl top` on a terminal, and `qctl stats --json`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import psutil

from benchmarks import options, stores
from benchmarks.bench_jobs import hit
from benchmarks.lab import Lab
from benchmarks.pinning import Pins, pins
from benchmarks.report import Report
from benchmarks.stores import Site
from benchmarks.targets import Target, shown
from qcore.records import RunningRecord, WorkerRecord

HELP = "qctl top and qctl stats on a store with many jobs and workers, and what watching costs a worker"
_SIZE = (50, 160)
_FRAME = Target(0.5, " s", most=True)
_REFRESH = Target(50.0, " ms", most=True)
_KEY = Target(50.0, " ms", most=True)
_GROWTH = Target(5.0, " MB", most=True)
_WATCHED = Target(0.98, "x")
_WATCHING = Target(5.0, " %", most=True)
_WATCHED_WORKERS = 50
_UNSETTLED = 0.15
"""Of each turn, what is not counted at its beginning."""
_FEWEST = 3
"""Whiles that tell something: one on which somebody looks, between two."""
_STATS = Target(1.5, "x", most=True)
_FEW = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_stores(parser, ("redis", "postgresql", "sqlite"))
    options.add_rounds(parser, 3)
    parser.add_argument("--jobs", type=float, default=1e6, help="stored (%(default)g)")
    parser.add_argument("--workers", type=int, default=200, help="that report (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of refreshes, one a second (%(default)s)")
    parser.add_argument("--drain", type=int, default=1_000_000, help="jobs of a drain, watched in turns (%(default)s)")
    parser.add_argument("--turn", type=float, default=2.0, help="seconds of one (%(default)s)")


def run(args: argparse.Namespace) -> None:
    pinned = pins(args.pin)
    with stores.running(args.stores, pinned.store) as sites:
        report = Report("screens", sites, pinned, options.said(args))
        rows = [[site.title, *row] for site in sites for row in _rows(site, pinned, args)]
    report.table("Looking on", ["store", "what", "measured", "goal", ""], rows)
    report.keep("rows", rows)
    report.save(args.results)


def _rows(site: Site, pinned: Pins, args: argparse.Namespace) -> Iterator[list[str]]:
    with Lab(site, pinned) as lab:
        lab.fill(hit() for _ in range(_FEW))
        few_s = _stats_s(lab)
    with Lab(site, pinned) as lab:
        lab.fill(hit() for _ in range(int(args.jobs)))
        yield _row("stats --json, times that of 1,000 jobs", _stats_s(lab) / few_s, _STATS)
        with _reporting(lab, args.workers):
            frames, numbers = [], []
            for _ in range(args.rounds):
                with Screen(lab) as screen:
                    frames.append(screen.first_frame_s)
                    numbers.append(screen.first_numbers_s)
            yield _row("first frame", statistics.median(frames), _FRAME)
            yield ["first numbers of the store", shown(statistics.median(numbers), _FRAME.unit), "", ""]
            with Screen(lab) as screen:
                screen.settle(3.0)
                yield _row("key to repaint, median", screen.key_ms(15), _KEY)
                screen.settle(5.0)
                before_mb, cpu_s, began = screen.rss_mb, screen.cpu_s, time.monotonic()
                screen.settle(args.seconds)
                passed_s = time.monotonic() - began
                yield _row("CPU of a refresh", 1000 * (screen.cpu_s - cpu_s) / passed_s, _REFRESH)
                yield _row(f"memory gained in {args.seconds:g} s", screen.rss_mb - before_mb, _GROWTH)
    yield from _watching(site, pinned, args)


def _row(what: str, value: float, goal: Target) -> list[str]:
    return [what, shown(value, goal.unit), str(goal), goal.verdict(value)]


def _stats_s(lab: Lab, times: int = 5) -> float:
    """Seconds that `qctl stats --json` takes, median."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        words = [sys.executable, "-m", "qctl", "stats", "--json"]
        subprocess.run(words, env=lab.environment(), cwd=lab.folder, stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _watching(site: Site, pinned: Pins, args: argparse.Namespace) -> Iterator[list[str]]:
    """Let a screen of 50 workers look on for every other while of a long drain; what is left, and what it takes."""
    ratios, shares = [], []
    for _ in range(args.rounds):
        with Lab(site, pinned) as lab, lab.workers(1), _reporting(lab, _WATCHED_WORKERS), Screen(lab) as screen:
            with lab.gate():
                lab.fill(hit() for _ in range(args.drain))
            whiles = list(_in_turns(lab, screen, args.drain, args.turn))
        for before, one, after in zip(whiles, whiles[1:], whiles[2:], strict=False):
            if one.is_watched:
                ratios.append(2 * one.rate / (before.rate + after.rate))
                shares.append(100 * one.cpu)
        if len(whiles) < _FEWEST:
            raise RuntimeError(f"{args.drain} jobs end too soon to look on and away: give --drain more")
    yield _row("drain while watched, to the whiles before and after", statistics.median(ratios), _WATCHED)
    yield _row(f"what watches it, of a core, with {_WATCHED_WORKERS} workers", statistics.median(shares), _WATCHING)


def _in_turns(lab: Lab, screen: Screen, jobs: int, turn_s: float) -> Iterator[_While]:
    """Stop and continue a screen until a drain is nearly over."""
    is_watched = False
    while True:
        screen.watches(is_on=is_watched)
        screen.settle(_UNSETTLED * turn_s)
        began, before, cpu_s = time.perf_counter(), lab.count_hits(), screen.cpu_s
        screen.settle(turn_s)
        passed_s, after = time.perf_counter() - began, lab.count_hits()
        if after >= jobs:
            return
        yield _While(is_watched, (after - before) / passed_s, (screen.cpu_s - cpu_s) / passed_s)
        is_watched = not is_watched


@contextlib.contextmanager
def _reporting(lab: Lab, count: int) -> Iterator[None]:
    """Let so many workers be known within the block: ten hosts, a supervisor for ten of them, most in a job."""
    store = lab.manager.connection()
    records = [_worker(number) for number in range(count)]
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(5.0):
            store.report(records)

    store.report(records)
    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _worker(number: int) -> WorkerRecord:
    host = f"host-{number % 10}"
    now_us = time.time_ns() // 1000
    job = RunningRecord(f"{number:08x}-0000-7000-8000-000000000000", "app:Job", "default", 1, float(number))
    return WorkerRecord(
        id=f"{host}:{1000 + number}:{number:08x}",
        supervisor=f"{host}:{900 + number // 10}:{number // 10:08x}",
        host=host,
        pid=1000 + number,
        queues=("default", "mail"),
        started_us=now_us,
        state="running",
        running=(job,) if number % 4 else (),
        jobs=number * 100,
        rss_bytes=50_000_000,
        cpu_percent=1.5,
    )


class _While(NamedTuple):
    """A few seconds of a drain."""

    is_watched: bool
    rate: float
    """Jobs a second."""
    cpu: float
    """Of one core, what the screen took."""


class Screen:
    """`qctl top` on a terminal of its own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __enter__(self) -> Self:
        began = time.perf_counter()
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *_SIZE, 0, 0))
        environment = {**self._lab.environment(), "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
        words = [sys.executable, "-m", "qctl", "top", "--read-only"]
        self._process = subprocess.Popen(
            words,
            env=environment,
            cwd=self._lab.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self._told = psutil.Process(self._process.pid)
        seen = self._read_until(b"Help", 30.0)
        self.first_frame_s = time.perf_counter() - began
        for words in (b"LIVE", b"default"):
            seen = self._read_until(words, 30.0, seen)
        self.first_numbers_s = time.perf_counter() - began
        self._reader: threading.Thread | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def watches(self, *, is_on: bool) -> None:
        """Let it look on, or hold it still."""
        self._process.send_signal(signal.SIGCONT if is_on else signal.SIGSTOP)

    @property
    def cpu_s(self) -> float:
        times = self._told.cpu_times()
        return float(times.user + times.system)

    @property
    def rss_mb(self) -> float:
        return float(self._told.memory_info().rss) / 2**20

    def settle(self, seconds: float) -> None:
        """Read what is drawn, for so long."""
        over = time.monotonic() + seconds
        while (left := over - time.monotonic()) > 0:
            self._read(left)

    def key_ms(self, times: int) -> float:
        """From a key to what it makes appear, median."""
        took = []
        for number in range(times):
            key, words = ((b"2", b"WORKER"), (b"1", b"QUEUE"))[number % 2]
            self.settle(0.35)
            began = time.perf_counter()
            os.write(self._ours, key)
            self._read_until(words, 10.0)
            took.append(1000 * (time.perf_counter() - began))
        return statistics.median(took)

    def _read_until(self, words: bytes, within_s: float, seen: bytes = b"") -> bytes:
        over = time.monotonic() + within_s
        while words not in seen:
            left = over - time.monotonic()
            if left <= 0:
                raise RuntimeError(f"qctl top did not show {words!r} within {within_s} s: {seen[-500:]!r}")
            seen += self._read(left)
        return seen

    def _read(self, within_s: float) -> bytes:
        ready: list[Any] = select.select([self._ours], [], [], within_s)[0]
        return os.read(self._ours, 65_536) if ready else b""
