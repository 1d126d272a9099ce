"""Changes of a process from outside: modules that FAULTS_HOOKS names, each with an `install()`."""

from __future__ import annotations

import importlib
import os
import sys

from harness.ledger import VARIABLE, Ledger

HOOKS = "FAULTS_HOOKS"


def install() -> None:
    """Install the hooks that the environment names; none in the process that runs the tests."""
    if VARIABLE not in os.environ:
        return
    _note_workers()
    _note_lines()
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


def _note_lines() -> None:
    """Let the books tell when a process of the tool says a line to the operator."""
    exits = sys.modules.get("qctl.exits")
    if exits is None:
        return
    say = exits.say

    def noted(text: str) -> None:
        Ledger.here().note(f"says: {text}")
        say(text)

    exits.say = noted  # type: ignore[attr-defined]  # the same from outside
