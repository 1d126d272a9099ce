"""Members, steps and callbacks that keep the books; as a hook, it lets the jobs of callbacks keep them too."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from harness.jobs import Audited
from harness.ledger import CALLBACK, Ledger

from qcore import ChainableJob, ConnectionFailed, JobBatch

AS_TOLD = "as it was told"

_callback: ContextVar[str] = ContextVar("callback", default="")
"""The job that calls back."""


class Lives(Audited):
    """Takes its time, and is not to end by the deaths of its workers."""

    max_tries = 0
    max_crashes = 1000
    timeout = 0

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def work(self) -> Any:
        time.sleep(self.seconds)


class Breaks(Lives):
    """Fails, once and for all."""

    max_tries = 1

    def work(self) -> Any:
        self.fail(ValueError(AS_TOLD))


def patiently(call: Callable[[], Any]) -> Any:
    """Call it until the store answers: an attempt that raises has no end in the books."""
    while True:
        try:
            return call()
        except ConnectionFailed:
            time.sleep(0.05)


class Follows(Lives, ChainableJob):
    """A step that counts those before it."""

    def work(self) -> int:
        super().work()
        return int(patiently(self.get_previous_result) or 0) + 1


class Adds(Lives):
    """Adds members to its batch."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def work(self) -> None:
        def add() -> None:
            assert self.batch is not None
            self.batch.add([Lives() for _ in range(self.number)])

        patiently(add)


def then(batch: JobBatch) -> None:
    _note("then", batch.id)


def catch(batch: JobBatch, error: Exception) -> None:
    """Note what it was given where it is none of the two it may be: a member that was killed has failed, too."""
    is_known = any(word in str(error) for word in (AS_TOLD, "WorkerCrashed"))
    _note("catch" if is_known else f"catch {error}", batch.id)


def finally_(batch: JobBatch) -> None:
    _note("finally", batch.id)


def _note(what: str, flow: str) -> None:
    Ledger.here().note(f"{CALLBACK}{flow} {what}", _callback.get())


def install() -> None:
    """Let callbacks note their start and their end."""
    from qcore.workflows.callbacks import Callback

    handle = Callback.handle

    def noted(self: Callback) -> Any:
        ledger = Ledger.here()
        ledger.note("start", self.job_id or "", self.attempts)
        _callback.set(self.job_id or "")
        answer = patiently(lambda: handle(self))
        ledger.note("end", self.job_id or "", self.attempts)
        return answer

    Callback.handle = noted  # type: ignore[method-assign]  # the same from outside
    Callback.max_tries, Callback.max_crashes, Callback.backoff = 0, 1000, 0.05
