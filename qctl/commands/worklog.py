"""What a worker says of its jobs: lines for people, or lines of JSON; it never stops a job."""

from __future__ import annotations

import os
import shutil
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qcore.states import Outcome
from qctl import exits, output
from qctl import format as fmt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.worker import StopReason, WorkerObserver
    from qctl.context import Invocation

_SCHEMA = "qctl.work/1"
_FORMATS = ("pretty", "json")
_WORDS = {
    Outcome.COMPLETED: ("DONE", "32"),
    Outcome.RELEASED: ("RETRY", "33"),
    Outcome.FAILED: ("FAIL", "31"),
    Outcome.CANCELLED: ("CANCEL", "2"),
}


def log_format(call: Invocation, asked: str | None) -> str:
    """How to tell of jobs: as asked, else for people on a terminal and for programs elsewhere.

    Raises:
        WrongUsage: there is no such format.
    """
    if asked is not None and asked not in _FORMATS:
        raise exits.WrongUsage(f"--log: {asked!r} is none of {', '.join(_FORMATS)}")
    if asked is None and call.flags.output in {"json", "ndjson"}:
        return "json"
    return asked or ("pretty" if output.is_terminal() else "json")


def observer_of(call: Invocation, log: str) -> WorkerObserver:
    """The observer that suits the call: quiet, for people or for programs."""
    if call.flags.quiet:
        return QuietLog(call)
    return JsonLog(call) if log == "json" else PrettyLog(call)


class QuietLog:
    """Says nothing but trouble.

    Args:
        call: of the command.
    """

    def __init__(self, call: Invocation) -> None:
        self._call = call
        self._began = time.monotonic()

    def started(self, worker_id: str, queues: Sequence[str]) -> None:
        """Say nothing."""

    def running(self, job_id: str, job: str, queue: str, attempt: int) -> None:
        """Say nothing."""

    def ended(
        self,
        job_id: str,
        job: str,
        queue: str,
        attempt: int,
        outcome: Outcome,
        runtime_s: float,
        error: str | None,
        delay_s: float,
    ) -> None:
        """Say nothing."""

    def trouble(self, text: str) -> None:
        """Say on stderr what an operator should know."""
        output.note(self._call, f"warning: {fmt.printable(text)}", even_quiet=True)

    def stopped(self, reason: StopReason, jobs: int) -> None:
        """Say nothing."""

    def _write(self, text: str) -> None:
        """Write to stdout; where the reader left, ask the worker to stop, as the pipe's end is nobody's fault."""
        try:
            output.write(text)
        except (BrokenPipeError, exits.CommandFailed):
            output.let_go()
            signal.raise_signal(signal.SIGTERM)


class PrettyLog(QuietLog):
    """A line a job: RUNNING while it runs, in the same place how it ended."""

    def __init__(self, call: Invocation) -> None:
        super().__init__(call)
        self._color = output.wants_color(call)
        self._rewrites = output.is_terminal() and os.environ.get("TERM") != "dumb"

    def started(self, worker_id: str, queues: Sequence[str]) -> None:
        """Say who serves what."""
        output.note(self._call, f"worker {worker_id} serves {', '.join(queues)}; Ctrl-C stops it after the running job")

    def running(self, job_id: str, job: str, queue: str, attempt: int) -> None:
        """Show the job that runs, where the line can be written anew."""
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r\x1b[2K" + self._line("RUNNING", "", job_id, job, queue, attempt)[:width])

    def ended(
        self,
        job_id: str,
        job: str,
        queue: str,
        attempt: int,
        outcome: Outcome,
        runtime_s: float,
        error: str | None,
        delay_s: float,
    ) -> None:
        """Show how it ended, and why where it did not end well."""
        word, color = _WORDS[outcome]
        line = self._line(word, fmt.duration(runtime_s), job_id, job, queue, attempt)
        if outcome is Outcome.RELEASED:
            line += f"  in {fmt.duration(delay_s)}"
        if error:
            line += f"  {fmt.printable(error)}"
        if self._color:
            line = line.replace(word, f"\x1b[{color}m{word}\x1b[0m", 1)
        self._write(("\r\x1b[2K" if self._rewrites else "") + line + "\n")

    def stopped(self, reason: StopReason, jobs: int) -> None:
        """Say why it stopped, and what it did."""
        passed = time.monotonic() - self._began
        pace = f", {fmt.rate(jobs / passed)}" if jobs and passed > 0 else ""
        output.note(
            self._call, f"stopped ({reason.value}): {fmt.plural(jobs, 'attempt')} in {fmt.duration(passed)}{pace}"
        )

    def _line(self, word: str, runtime: str, job_id: str, job: str, queue: str, attempt: int) -> str:
        name = fmt.printable(job.rpartition(":")[2]) + (f" (try {attempt})" if attempt > 1 else "")
        return (
            f"{datetime.now().astimezone():%H:%M:%S}  {word:<8}{runtime:>9}  {name}  {fmt.printable(queue)}  {job_id}"
        )


class JsonLog(QuietLog):
    """A line of JSON for each event; those that begin only with `-v`."""

    def __init__(self, call: Invocation) -> None:
        super().__init__(call)
        self._worker = ""

    def started(self, worker_id: str, queues: Sequence[str]) -> None:
        """Tell who serves what."""
        self._worker = worker_id
        self._tell("started", queues=list(queues))

    def running(self, job_id: str, job: str, queue: str, attempt: int) -> None:
        """Tell, with `-v`, that an attempt begins."""
        if self._call.flags.verbose:
            self._tell("running", id=job_id, job=job, queue=queue, attempt=attempt)

    def ended(
        self,
        job_id: str,
        job: str,
        queue: str,
        attempt: int,
        outcome: Outcome,
        runtime_s: float,
        error: str | None,
        delay_s: float,
    ) -> None:
        """Tell how an attempt ended."""
        more = {"outcome": outcome.value, "runtime_s": round(runtime_s, 6), "error": error, "delay_s": delay_s}
        self._tell("ended", id=job_id, job=job, queue=queue, attempt=attempt, **more)

    def trouble(self, text: str) -> None:
        """Tell what an operator should know."""
        self._tell("trouble", text=text)

    def stopped(self, reason: StopReason, jobs: int) -> None:
        """Tell why it stopped, and how many attempts it ran."""
        self._tell("stopped", reason=reason.value, attempts=jobs, passed_s=round(time.monotonic() - self._began, 3))

    def _tell(self, event: str, **fields: Any) -> None:
        event_fields = {"schema": _SCHEMA, "event": event, "at": datetime.now(UTC), "worker": self._worker}
        self._write(output.encode(event_fields | fields) + "\n")
