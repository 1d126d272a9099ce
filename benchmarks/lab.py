"""One store's empty database with what is done to it: producers, workers, and the log that the jobs write."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks import ROOT
from benchmarks.bench_jobs import LOG, RECORD, Ready, hit
from benchmarks.pinning import Pins, pin
from benchmarks.stores import Site
from qcore import Job, QueueManager, dispatch_many

KEY = "base64:" + "QkVOQ0g" * 6 + "Q="
"""Signs payloads; it guards nothing."""
QUEUE = "default"
_PATIENCE_S = 60.0
"""Without any progress."""
_LOOK_S = 0.002
_UNMEASURED = "[connections.default]\nmetrics = false\n"


class Lab:
    """An empty database of a store's, as long as the block lasts.

    Args:
        site: the store.
        pins: where clients run.
        signed: whether payloads are.
        measured: whether jobs are counted and measured as they end.
    """

    def __init__(self, site: Site, pins: Pins, *, signed: bool = True, measured: bool = True) -> None:
        self.site = site
        self.pins = pins
        self.signed = signed
        self.measured = measured
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="qctl-bench-")))
        self.url = self._opened.enter_context(self.site.database())
        self.log = self.folder / "hits"
        self.log.touch()
        if not self.measured:  # workers start in this folder, so they read whatever lies in it
            (self.folder / "qctl.toml").write_text(_UNMEASURED)
        key = {"key": KEY} if self.signed else {}
        self.manager = QueueManager.open({"url": self.url, **key})
        self._opened.callback(self.manager.close)
        self.manager.connection().counts()  # tables are made before any clock runs
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    # -- producers -------------------------------------------------------------------------------------------------

    def fill(self, jobs: Iterator[Job]) -> float:
        """Dispatch from here, 1,000 a call; returns the seconds that took, the building of the jobs included."""
        began = time.perf_counter()
        with self.manager.using():
            while chunk := list(itertools.islice(jobs, 1_000)):
                dispatch_many(chunk)
        return time.perf_counter() - began

    def fill_hits(self, count: int) -> float:
        return self.fill(hit() for _ in range(count))

    def start_producer(self, action: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.producer", action, *map(str, arguments)]
        process = subprocess.Popen(command, env=self.environment(), cwd=ROOT, stdout=subprocess.PIPE)
        pin(process.pid, self.pins.clients)
        return process

    def produce(self, action: str, *arguments: object) -> dict[str, Any]:
        """Run a producer in a process of its own; returns what it measured."""
        return answer_of(self.start_producer(action, *arguments))

    # -- workers ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def workers(self, processes: int = 1, *flags: str, queue: str = QUEUE) -> Iterator[psutil.Process]:
        """Run `qctl work` for a block, which begins once every process has run a job; the log is then empty."""
        command = [sys.executable, "-m", "qctl", "work", "--quiet", "--processes", str(processes), *flags]
        with (self.folder / "worker.log").open("ab") as said:
            process = subprocess.Popen(
                [*command, "--queue", queue],
                env=self.environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        pin(process.pid, self.pins.clients)
        try:
            self._warm(process, processes, queue)
            yield psutil.Process(process.pid)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; the worker said:\n{self._said()}") from error
        finally:
            _stop(process)

    def _warm(self, process: subprocess.Popen[bytes], processes: int, queue: str) -> None:
        """Give slow jobs until each process has run one; then wait until nothing is left."""
        first = queue.partition(",")[0]

        def all_ran() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the worker ended:\n{self._said()}")
            self.manager.dispatch([Ready(0).on_queue(first)])
            return len({pid for _, pid in self.hits()}) >= processes

        until(all_ran, "every worker process runs a job", look_s=0.01)
        self.await_empty(first)
        self.forget_hits()

    @contextlib.contextmanager
    def gate(self, queue: str = QUEUE) -> Iterator[None]:
        """Let a queue give nothing within the block, so that all the workers begin together after it."""
        self.manager.pause(queue)
        yield
        self.manager.resume(queue)

    # -- looking ---------------------------------------------------------------------------------------------------

    def hits(self) -> list[tuple[float, float]]:
        """When each job was sent and when it started, in the order of the starts."""
        data = self.log.read_bytes()
        whole = len(data) // RECORD.size * RECORD.size
        return sorted(RECORD.iter_unpack(data[:whole]), key=lambda record: record[1])

    def count_hits(self) -> int:
        return self.log.stat().st_size // RECORD.size

    def forget_hits(self) -> None:
        os.truncate(self.log, 0)

    def await_hits(self, count: int) -> None:
        """Wait until so many jobs have run; patience ends when none runs any more."""
        while (seen := self.count_hits()) < count:
            wanted = min(count, seen + 1)
            until(lambda wanted=wanted: self.count_hits() >= wanted, f"{count:,} jobs run, and not {seen:,}")  # type: ignore[misc]

    def await_empty(self, queue: str = QUEUE) -> float:
        """Wait until the store holds nothing that waits or runs; returns when, in seconds since the epoch."""
        until(lambda: self._is_empty(queue), "the queue is empty")
        return time.time()

    def _said(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")[-2_000:]

    def _is_empty(self, queue: str) -> bool:
        counts = self.manager.get_stats(queue)
        return not (counts.pending or counts.processing or counts.retrying)

    def environment(self) -> dict[str, str]:
        """What producers and workers find in their environment; nothing of ours from outside."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "BENCH_"))}
        key = {"QCTL_KEY": KEY} if self.signed else {}
        if not self.measured:
            key["QCTL_CONFIG"] = str(self.folder / "qctl.toml")
        return {**inherited, **key, "QCTL_URL": self.url, "PYTHONPATH": str(ROOT), LOG: str(self.log)}


def answer_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What a producer says at its end."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a producer ended with {process.returncode}")
    answer: dict[str, Any] = json.loads(said)
    return answer


def until(holds: Callable[[], object], what: str, *, look_s: float = _LOOK_S) -> None:
    """Wait until it holds."""
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {_PATIENCE_S:.0f} s until {what}")
        time.sleep(look_s)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a worker in good order, else all of the session it leads."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
