"""Hosts: each a `qctl work` in a session of its own, as on a machine of its own; and how to hurt one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil

from harness.ledger import VARIABLE, Ledger
from harness.waiting import until

_START_S = 20.0


class Host:
    """A supervisor, its children, and all that they start.

    Args:
        folder: where it runs; its output goes into a file there.
        flags: of `qctl work`.
        environment: of its processes.
        ledger: tells when a worker process serves.
        number: which host of the test it is.
        still: keeps its processes from holding locks that others need, for a block.
    """

    def __init__(
        self,
        folder: Path,
        flags: tuple[str, ...],
        environment: Mapping[str, str],
        ledger: Ledger,
        number: int,
        still: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._ledger = ledger
        self._still = still
        self.log_path = folder / f"host{number}.log"
        self.began = time.monotonic()
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "qctl", "work", "--quiet", *flags],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self.process.pid

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """Whether its supervisor is."""
        return self.process.poll() is None

    def children(self) -> list[int]:
        """Pids of its worker processes; what asks the stores for their supervisor is none."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid).children()
        return sorted(one.pid for one in found if _lives(one) and not _asks_stores(one))

    def child(self, chance: random.Random) -> int:
        """One of them, by chance; waits for one to be there."""
        return chance.choice(until(self.children, _START_S, "a worker process to hurt"))

    def serving(self, number: int = 1, within_s: float = _START_S) -> list[int]:
        """Wait until so many living children serve; returns their pids."""
        return until(
            lambda: found if len(found := self._serving()) >= number else self._none_yet(),
            within_s,
            lambda: f"{number} worker processes that serve; the host says:\n{self.log}",
        )

    def processes(self) -> list[int]:
        """Pids of all processes of its session that live, orphans too."""
        return [process.pid for process in self._session()]

    def cpu_s(self) -> dict[int, float]:
        """Processor time that each of its living processes has used so far, in seconds, by pid."""
        used = {}
        for process in self._session():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[process.pid] = times.user + times.system
        return used

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(errors="replace")

    # -- hurting -------------------------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, if it lives."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9 all of it at once, as a power cut would."""
        self._send(signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop all of it, as a machine that is suspended."""
        with self._still():
            self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all of it go on."""
        self._send(signal.SIGCONT)

    def terminate(self, within_s: float = 40.0) -> int:
        """Stop it in good order; returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def _send(self, number: int) -> None:
        for process in self._session():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _session(self) -> list[psutil.Process]:
        """Its living processes: those of its session that have this test's environment, as numbers are used again."""
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(pid) == self.pid and is_of_test(process := psutil.Process(pid), self._ledger):
                    found.append(process)
        return found

    def _none_yet(self) -> list[int]:
        assert self.is_alive, f"the host ended with {self.process.returncode}:\n{self.log}"
        return []

    def _serving(self) -> list[int]:
        said = {event.pid for event in self._ledger.events("serves")}
        return [pid for pid in self.children() if pid in said]


def is_of_test(process: psutil.Process, ledger: Ledger) -> bool:
    """Whether a process lives and belongs to the test of this ledger."""
    return _lives(process) and process.environ().get(VARIABLE) == str(ledger.path)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _asks_stores(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.name() == "qctl-pulse"
    return False
