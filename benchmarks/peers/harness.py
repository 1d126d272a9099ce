"""Measures one configuration: enqueue, drain, pickup, memory; each time on an emptied store.

A peer's drain is timed from the first start of a job to the last, which flatters one that ends jobs in the background;
ours until the store holds none.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil

from benchmarks import ROOT
from benchmarks.bench_jobs import LOG, RECORD
from benchmarks.lab import KEY, QUEUE, until
from benchmarks.measures import pss_mb
from benchmarks.peers import environments
from benchmarks.peers.specs import Spec
from benchmarks.pinning import Pins, pin
from benchmarks.stores import Site, plain
from qcore import QueueManager

_APPS = Path(__file__).parent / "apps"
_IDLE_S = 1.5
_NOWHERE = {"redis": "redis://127.0.0.1:1/0", "postgresql": "postgresql://nobody@127.0.0.1:1/none", "sqlite": "none"}


class Bench:
    """A configuration on an empty database, for a block.

    Args:
        spec: which.
        site: its store.
        pins: where producer and workers run.
        folder: for logs, empty.
    """

    def __init__(self, spec: Spec, site: Site, pins: Pins, folder: Path) -> None:
        self._spec = spec
        self._site = site
        self._pins = pins
        self._folder = folder
        self._log = folder / "hits"
        self._bin = environments.ready(spec.venv)
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._url = self._opened.enter_context(self._site.database())
        self._log.write_bytes(b"")
        self.drive("setup")
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def drive(self, action: str, n: int = 0) -> float:
        """Let the producer do something so many times; returns the seconds that took."""
        command = [str(self._bin / "python"), "driver.py", self._spec.module, action, str(n)]
        process = subprocess.Popen(command, cwd=_APPS, env=self._environment(), stdout=-1, stderr=-1, text=True)
        pin(process.pid, self._pins.clients)
        said, errors = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(errors[-1_500:])
        return float(said.split()[-1])

    def drain(self, processes: int, n: int) -> float:
        """Jobs a second; they are there when the workers start."""
        with self._workers(processes):
            self._await(n)
            ended = self._await_empty() if not self._spec.venv else None
        starts = sorted(started for _, started in self._hits())
        return n / (ended - starts[0]) if ended else (n - 1) / (starts[-1] - starts[0])

    def latency(self, samples: int) -> tuple[list[float], float]:
        """Milliseconds from dispatch to start, one worker, idle; and its memory in MB, all its processes."""
        with self._workers(1) as started:
            self.drive("send", 1)
            self._await(1)
            time.sleep(_IDLE_S)
            memory = sum(pss_mb(psutil.Process(one.pid)) for one in started)
            self.drive("latency", samples)
            self._await(1 + samples)
        return [1_000 * (began - sent) for sent, began in self._hits()[1:]], memory

    @contextlib.contextmanager
    def _workers(self, processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        started: list[subprocess.Popen[bytes]] = []
        with (self._folder / "worker.log").open("wb") as log:
            try:
                for number in range(processes if self._spec.fan == "spawn" else 1):
                    one = self._start(processes, number, log.fileno())
                    started.append(one)  # at once: whatever fails next, it is ended
                yield started
            except TimeoutError as error:
                said = (self._folder / "worker.log").read_text(errors="replace")[-1_500:]
                raise RuntimeError(f"{error}; the worker said:\n{said}") from error
            finally:
                for process in started:
                    _stop(process)

    def _start(self, processes: int, number: int, log: int) -> subprocess.Popen[bytes]:
        stores = self._addresses()
        values = {
            "n": str(processes),
            "i": str(number),
            "redis": stores["BENCH_REDIS_URL"],
            "pg": stores["BENCH_PG_URL"],
        }
        command = self._spec.cmd
        for name, value in values.items():
            command = command.replace(f"{{{name}}}", value)
        words = shlex.split(command)
        process = subprocess.Popen(
            [str(self._bin / words[0]), *words[1:]],
            cwd=_APPS,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        pin(process.pid, self._pins.clients)
        return process

    def _addresses(self) -> dict[str, str]:
        """Where the stores are; those that this one is not on are nowhere."""
        kind = self._spec.store.partition("-")[0]
        at = {**_NOWHERE, kind: plain(self._url).removeprefix("sqlite:///")}
        return {"BENCH_REDIS_URL": at["redis"], "BENCH_PG_URL": at["postgresql"], "BENCH_SQLITE_PATH": at["sqlite"]}

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "BENCH_"))}
        ours = {} if self._spec.venv else {"QCTL_URL": self._url, "QCTL_KEY": KEY}
        path = os.pathsep.join([str(_APPS), *([] if self._spec.venv else [str(ROOT)])])
        return {
            **inherited,
            **ours,
            **self._addresses(),
            **self._spec.env,
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            LOG: str(self._log),
            "BENCH_VARIANT": self._spec.variant,
        }

    def _hits(self) -> list[tuple[float, float]]:
        return list(RECORD.iter_unpack(self._log.read_bytes()))

    def _count(self) -> int:
        return self._log.stat().st_size // RECORD.size

    def _await(self, count: int) -> None:
        while (seen := self._count()) < count:
            wanted = min(count, seen + 1)
            until(lambda wanted=wanted: self._count() >= wanted, f"{count:,} jobs run, and not {seen:,}")  # type: ignore[misc]

    def _await_empty(self) -> float:
        manager = QueueManager.open({"url": self._url, "key": KEY})

        def is_empty() -> bool:
            counts = manager.get_stats(QUEUE)
            return not (counts.pending or counts.processing)

        with contextlib.closing(manager):
            until(is_empty, "the store is empty")
            return time.time()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a worker that we started, and the session that it leads."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
