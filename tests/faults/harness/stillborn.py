"""Workers that die as they begin to serve, as long as a file is there; a hook (`FAULTS_HOOKS=harness.stillborn`)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from harness.ledger import Ledger

FILE = "FAULTS_DOOM"


def install() -> None:
    """Put them to death before they reserve anything."""
    from qcore.worker.worker import Worker

    work = Worker._work

    def dying(worker: Worker, *arguments: object) -> object:
        if Path(os.environ[FILE]).exists():
            Ledger.here().note("stillborn")
            os.kill(os.getpid(), signal.SIGKILL)
        return work(worker, *arguments)  # type: ignore[arg-type]  # handed on as they came

    Worker._work = dying  # type: ignore[assignment,method-assign]  # the same from outside
