"""Changes of a process from outside: modules that FAULTS_HOOKS names, each with an `install()`."""

from __future__ import annotations

import importlib
import os

from harness.ledger import VARIABLE, Ledger

HOOKS = "FAULTS_HOOKS"


def install() -> None:
    """Install the hooks that the environment names; none in the process that runs the tests."""
    if VARIABLE not in os.environ:
        return
    _note_workers()
    for name in filter(None, os.environ.get(HOOKS, "").split(",")):
        importlib.import_module(name).install()


def _note_workers() -> None:
    """Let the books tell when a worker process begins to serve."""
    from qcore.worker.worker import Worker

    work = Worker._work

    def noted(worker: Worker, *arguments: object) -> object:
        Ledger.here().note("serves")
        return work(worker, *arguments)  # type: ignore[arg-type]  # handed on as they came

    Worker._work = noted  # type: ignore[assignment,method-assign]  # the same from outside
