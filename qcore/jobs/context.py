"""What `handle` may ask of the attempt it runs in. The runner makes one for each attempt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from qcore.errors import ConfigurationError
from qcore.identity import current_identity


class Desk(Protocol):
    """Where a running job reports and asks; it serves all attempts, so that none needs anything made for it."""

    @property
    def grants(self) -> tuple[str, ...]:
        """Permissions that the process holds which runs the job."""
        ...

    def report(self, job_id: str, percent: int, note: str | None) -> None:
        """Tell whoever watches how far the job is."""
        ...

    def is_cancelled(self, job_id: str) -> bool:
        """Whether somebody wants the job to stop."""
        ...

    def masked(self, text: str) -> str:
        """Return a text as it may be shown: without what of the job is hidden."""
        ...

    def transaction(self, context: JobContext) -> AbstractContextManager[Any]:
        """Open a transaction in which the job ends."""
        ...

    def membership(self, context: JobContext) -> Any:
        """What the job may ask of its batch, chain or graph (`workflows.membership`); None where it is no member."""
        ...


class Nobody:
    """There is nobody to report to, or to be stopped by: the attempt runs outside a worker.

    Args:
        grants: permissions that this process holds.
    """

    def __init__(self, grants: tuple[str, ...] = ()) -> None:
        self.grants = grants

    def report(self, job_id: str, percent: int, note: str | None) -> None:
        """Tell nobody."""

    def is_cancelled(self, job_id: str) -> bool:
        """Nobody wants the job to stop."""
        del job_id
        return False

    def masked(self, text: str) -> str:
        """Nothing is hidden."""
        return text

    def transaction(self, context: JobContext) -> AbstractContextManager[Any]:
        """There is no lease that could end."""
        raise ConfigurationError(
            f"transaction() of job {context.job_id}: no worker runs it, and there is nothing to end",
            hint="dispatch it to a queue on a database that a worker serves",
        )

    def membership(self, context: JobContext) -> Any:
        """What runs outside a worker is a member of nothing."""
        del context


NOBODY: Desk = Nobody()


class Discreet:
    """The desk of a job whose arguments are hidden: what it tells others is masked.

    Args:
        desk: where the rest is seen to.
        mask: makes what hides the arguments in a text; None where nothing is to be hidden.
    """

    def __init__(self, desk: Desk, mask: Callable[[], Callable[[str], str] | None]) -> None:
        self._desk = desk
        self._make = mask
        self._mask: Callable[[str], str] | None = None

    @property
    def behind(self) -> Desk:
        """The desk that sees to the rest."""
        return self._desk

    @property
    def grants(self) -> tuple[str, ...]:
        """As of the desk behind."""
        return self._desk.grants

    def report(self, job_id: str, percent: int, note: str | None) -> None:
        """Report, without what is hidden."""
        self._desk.report(job_id, percent, None if note is None else self.masked(note))

    def masked(self, text: str) -> str:
        """Return a text without what is hidden."""
        self._mask = self._mask or self._make() or str
        return self._mask(text)

    def transaction(self, context: JobContext) -> AbstractContextManager[Any]:
        """As of the desk behind."""
        return self._desk.transaction(context)

    def membership(self, context: JobContext) -> Any:
        """As of the desk behind."""
        return self._desk.membership(context)

    def is_cancelled(self, job_id: str) -> bool:
        """Ask the desk behind."""
        return self._desk.is_cancelled(job_id)


class Wish(msgspec.Struct, frozen=True):
    """How `handle` asked its attempt to end. Its error may lead back to it, which the garbage collector must see."""

    kind: str
    """`release`, `snooze`, `fail` or `delete`."""
    delay_us: int = 0
    error: BaseException | None = None


class Wanted:
    """Jobs that a member wants to be added to its flow once it has completed."""

    def __init__(self) -> None:
        self.next: list[Any] = []
        self.last: list[Any] = []
        self.members: list[Any] = []
        self.identity = current_identity()
        """On whose behalf the member runs: what it adds, it adds for them."""
        self.ids: Callable[[], str] | None = None
        """Names what is stored before the member has completed."""


class Ruling(msgspec.Struct, frozen=True):
    """What a middleware decided about an error that it let pass; the rest is as the job's options say."""

    error: BaseException
    is_final: bool = False
    """Whether there is no further try, however many are left."""
    tries: int | None = None
    """At the most, beside the job's own limit; 0: no limit but that."""
    delay_us: int | None = None
    """Until the next try."""


class JobContext:
    """One attempt, seen from inside `handle`.

    Args:
        job_id: of the running job.
        attempt: which one it is, from 1.
        queue: where the job came from.
        desk: where it reports and asks. It must not lead back to the attempt: what runs in circles is freed by the
            garbage collector alone, and that costs more than a small job does.
        began: when it began, by `time.perf_counter`.
    """

    __slots__ = (
        "attempt",
        "began",
        "desk",
        "flow",
        "has_ended",
        "is_ending",
        "job_id",
        "queue",
        "ruling",
        "wanted",
        "wish",
    )

    def __init__(self, job_id: str, attempt: int, queue: str, desk: Desk = NOBODY, began: float = 0.0) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.queue = queue
        self.desk = desk
        self.began = began
        self.is_ending = False
        """Its own transaction is open."""
        self.has_ended = False
        """Its own transaction has ended the job."""
        self.flow: str | None = None
        """What the job is to a batch, chain or graph (`flows.membership`)."""
        self.wanted: Wanted | None = None
        """Jobs that it wants to be added there."""
        self.wish: Wish | None = None
        self.ruling: Ruling | None = None

    def wish_for(self, wish: Wish) -> None:
        """Take note how the attempt is to end.

        Raises:
            ConfigurationError: the job has ended.
        """
        if wish.kind != "delete":
            self._require_open(f"{wish.kind}()", "raise an error inside the block to take it back")
        self.wish = wish

    def want(self, verb: str) -> Wanted:
        """What the member wants to be added to its flow, to add to.

        Raises:
            ConfigurationError: the job has ended.
        """
        self._require_open(f"{verb}()", "call it before the block, or in it")
        if self.wanted is None:
            self.wanted = Wanted()
        return self.wanted

    def _require_open(self, call: str, hint: str) -> None:
        if self.has_ended:
            raise ConfigurationError(f"{call} comes too late: the job has ended in its transaction", hint=hint)
