"""A process that dispatches jobs and notes what dispatch said, one job at a time or many at once.

Called as `python -m harness.producer SPEC`, a line of JSON (see `Spec`); ends by itself when it has dispatched all.
With `forks` it dispatches nothing itself, but makes one child after another that does: for failpoints.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.ledger import Ledger


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer dispatches."""

    job: str = "harness.fault_jobs:Sleeps"
    arguments: list[Any] = []
    options: dict[str, Any] = {}
    """Attributes of each job: queue, max_tries, timeout, …"""
    calls: int = 1
    """How often dispatch is called; 0: until killed."""
    many: int = 0
    """Jobs a call, by `dispatch_many`; 0: one, by `dispatch`."""
    batch: bool = False
    """Each call is a batch of `many` jobs."""
    pause_s: float = 0.0
    """Between two calls."""
    forks: int = 0
    """Children that do all this one after another, each on queues named `{queue}-{number}`."""


class Producer:
    """A producer in the test's hands."""

    def __init__(self, spec: Spec, folder: Path, environment: Mapping[str, str], number: int) -> None:
        self.log_path = folder / f"producer{number}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harness.producer", msgspec.json.encode(spec).decode()],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still dispatches."""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(errors="replace")

    def wait(self, within_s: float = 60.0) -> None:
        """Wait for it to be done."""
        assert self.process.wait(within_s) == 0, self.log

    def kill(self) -> None:
        """Kill -9 it, with its children; one that has ended is left alone, its number may be another's by now."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


def main(spec: Spec) -> None:
    """Dispatch as the specification says."""
    from qcore import QueueManager

    manager = QueueManager.open()  # imports the application, and with it the hooks
    manager.install()
    if not spec.forks:
        dispatch(spec, Ledger.here())
        return
    manager.connection()  # imports the driver once for all of them; nothing is connected yet
    for number in range(spec.forks):
        options = {**spec.options, "queue": f"{spec.options.get('queue', 'default')}-{number}"}
        _in_a_child(msgspec.structs.replace(spec, options=options))


def dispatch(spec: Spec, ledger: Ledger) -> None:
    """Call dispatch, and note what it said."""
    from qcore import QueueError, batch, dispatch_many

    done = 0
    while not spec.calls or done < spec.calls:
        done += 1
        jobs = [_job(spec) for _ in range(max(1, spec.many))]
        try:
            if spec.batch:
                batch(jobs).dispatch()
            elif spec.many:
                dispatch_many(jobs)
            else:
                jobs[0].dispatch()
        except QueueError as error:
            ids = [job._id or "" for job in jobs]
            stored = set(error.stored_ids)
            ledger.dispatched([one for one in ids if one in stored])
            ledger.dispatched([one for one in ids if one not in stored], "raised", f"{type(error).__name__}: {error}")
        else:
            _pass_by("dispatch.after")
            ledger.dispatched([job._id or "" for job in jobs])
        time.sleep(spec.pause_s)


def _job(spec: Spec) -> Any:
    module, _, name = spec.job.partition(":")
    job = getattr(importlib.import_module(module), name)(*spec.arguments)
    for option, value in spec.options.items():
        setattr(job, option, value)
    return job


def _pass_by(point: str) -> None:
    from harness import failpoints

    if failpoints.PLAN in os.environ:
        failpoints.pass_by(point)


def _in_a_child(spec: Spec) -> None:
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGKILL}, "a child failed; its words stand above"
        return
    code = 1
    try:
        from harness import failpoints

        failpoints.forget()
        dispatch(spec, Ledger.here())
        code = 0
    except Exception:  # noqa: BLE001  told below, by the exit code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(msgspec.convert(json.loads(sys.argv[1]), Spec))
