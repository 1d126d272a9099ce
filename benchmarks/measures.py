"""The single measurements of the table, each on an empty database."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.bench_jobs import Hit, hit
from benchmarks.lab import QUEUE, Lab
from benchmarks.pinning import Pins
from benchmarks.stores import Site

if TYPE_CHECKING:
    from psutil import Process

_IDLE_S = 1.5


class Drains:
    """Drains of about as many seconds as wanted: the count follows from the round before.

    Args:
        pins: where clients run.
        seconds: about how long one is to last.
        most: jobs at the most.
    """

    def __init__(self, pins: Pins, seconds: float, most: int) -> None:
        self._pins = pins
        self._seconds = seconds
        self._most = most
        self._rates: dict[object, float] = {}

    def __call__(
        self,
        site: Site,
        processes: int = 1,
        *flags: str,
        signed: bool = True,
        kind: type[Hit] = Hit,
        measured: bool = True,
    ) -> float:
        """Jobs a second from the start of the first job until the store holds none."""
        key = (site.name, processes, flags, signed, kind, measured)
        count = max(1, min(self._most, int(self._rates.get(key, self._most / 10) * self._seconds)))
        with Lab(site, self._pins, signed=signed, measured=measured) as lab:
            rate = drain(lab, count, processes, flags, kind)
        self._rates[key] = rate
        return rate


def drain(lab: Lab, count: int, processes: int, flags: Sequence[str] = (), kind: type[Hit] = Hit) -> float:
    """Warm workers get so many jobs at once; the clock runs from the first start until the store is empty."""
    with lab.workers(processes, *flags):
        with lab.gate():
            lab.fill(hit(kind) for _ in range(count))
        lab.await_hits(count)
        ended = lab.await_empty()
        return count / (ended - lab.hits()[0][1])


class Pickups(NamedTuple):
    """How soon an idle worker starts what comes, a job at a time, in milliseconds."""

    asked: list[float]
    """From just before each dispatch."""
    stored: list[float]
    """From its return: what waits for the disk does so before. Below 0 where the job started sooner."""
    memory: float
    """Of the idle worker, in MB."""


def pickups(lab: Lab, count: int) -> Pickups:
    """Dispatch so many jobs to an idle worker, a moment apart."""
    with lab.workers(1) as supervisor:
        time.sleep(_IDLE_S)
        memory = pss_mb(supervisor)
        returned = lab.produce("pickup", count)
        lab.await_hits(count + 1)
        lab.await_empty(QUEUE)
        hits = lab.hits()[1:]  # the first one opened the producer's connection
    asked = [1_000 * (started - sent) for sent, started in hits]
    return Pickups(asked, [1_000 * (started - returned[repr(sent)]) for sent, started in hits], memory)


def pss_mb(supervisor: Process) -> float:
    """Proportional memory of a supervisor and all under it, in MB."""
    return float(sum(process.memory_full_info().pss for process in _tree(supervisor))) / 2**20


def cpu_s(supervisor: Process) -> float:
    """Seconds of a core that a supervisor and all under it have used."""
    times = [process.cpu_times() for process in _tree(supervisor)]
    return float(sum(one.user + one.system for one in times))


def _tree(supervisor: Process) -> list[Process]:
    return [supervisor, *supervisor.children(recursive=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def help_s(times: int = 5) -> float:
    """Seconds that `qctl --help` takes, median."""
    command = [str(Path(sys.executable).parent / "qctl"), "--help"]
    took = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took)
