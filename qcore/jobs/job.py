"""A job: what a user writes, what it may ask for, and how it is sent on its way."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from qcore import dispatcher
from qcore.errors import ConfigurationError
from qcore.identity import Identity, current_identity, on_behalf_of
from qcore.ids import new_id
from qcore.jobs.bound import BoundLog, Dispatch
from qcore.jobs.choices import Choices
from qcore.jobs.context import JobContext, Wish
from qcore.jobs.options import When, due, percentage
from qcore.jobs.own import classmethod_or_own

if TYPE_CHECKING:
    from inspect import Signature

    from qcore.codec import Mask
    from qcore.testing.job import JobTester
    from qcore.workflows.batch import JobBatch


class Job(Choices):
    """Base of every job. Options are class attributes, set in `__init__`, or given by the fluent calls.

    A job travels as class path, constructor arguments and options; the worker calls the constructor again.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _context: JobContext | None = None
    _sensitive_fields: tuple[str, ...] = ()
    """Arguments that stay hidden (see `SecureJob`)."""
    _required_permissions: tuple[str, ...] | None = None
    """Permissions that running it takes; None of a class that is no `SecureJob`."""
    _hides_all: bool
    """All of its arguments are hidden; only of `ShouldBeEncrypted`."""
    _sealed_arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """Arguments that travelled as ciphertext, where a worker has built it; known before the constructor runs."""
    _own_mask: tuple[tuple[str, ...] | None, Mask] | None = None
    """What hides them in its own log lines, and of which fields it was made."""
    _dispatched_by: Identity | None = None
    """On whose behalf it was dispatched, where a worker has built it."""
    _trace: dict[str, str] | None = None
    """What joins its attempt to the span it was dispatched in, where a worker has built it."""
    _id: str | None = None
    """Of the last dispatch."""
    _promised_id: str | None = None
    """Told to a caller before the job is dispatched: its next dispatch uses it up."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, whether or not the subclass calls `super().__init__()`."""
        job = object.__new__(cls)
        job._arguments = (args, kwargs)
        return job

    def __init__(self) -> None:
        pass  # so that `super().__init__()` may be called, and need not be

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id or 'not dispatched'}>"

    def handle(self) -> Any:
        """Do the work; may be `async def`. What it returns is the job's result.

        Raises:
            ConfigurationError: the class defines none.
        """
        raise ConfigurationError(
            f"{type(self).__qualname__} has no handle()",
            hint="define `def handle(self)` or `async def handle(self)`",
        )

    def failed(self, exception: Exception) -> None:
        """Hear that the job failed for good. A worker calls it on a fresh instance, after the last attempt.

        What it raises is logged there and changes nothing; on a sync connection and in `dispatch_now`, which call it
        on the job itself, it is raised in place of the job's own error.

        Args:
            exception: what the last attempt raised, or was given to `fail()`. Where no attempt is allowed any more, a
                MaxAttemptsExceeded, JobTimeout or WorkerCrashed, whose `__cause__` tells the last real error, if there
                was one. Of a job refused for its signature or a permission no code runs, and so this is not called.

        Source: Laravel's `failed($exception)`, on a fresh instance too: what `handle` kept on `self` is gone.
        """

    # -- dispatch ------------------------------------------------------------------------------------------------

    dispatch = Dispatch()

    def send(self, *, session: Any = None) -> str:
        """Dispatch this job (`dispatch()` on an instance).

        Args:
            session: an SQLAlchemy session on the job's own database: the job is stored in its transaction. With
                `after_commit` any session: the job is dispatched once that has been committed.

        Returns:
            The job's id, a UUIDv7; a new one each time. Of a `ShouldBeUnique` job None where another one is there:
            nothing was stored then.

        Raises:
            PayloadError: an argument cannot travel; nothing was stored.
            ConfigurationError: an option makes no sense, there is no such connection, or the job must be signed or
                encrypted and there is no key; nothing was stored.
            QueueFullError: the queue holds its `max_jobs`; nothing was stored.
            ConnectionFailed: the store did not answer; the message says whether the job may have been stored.

        On a sync connection the job runs in this call, and its own error is raised.
        """
        return dispatcher.current().dispatch([self], session=session)[0]  # type: ignore[return-value]  # None: unique

    @classmethod
    def build_and_send(cls, *args: Any, **kwargs: Any) -> str:
        """Build a job of these arguments and dispatch it (`dispatch(...)` on the class).

        Args:
            args: of the constructor.
            kwargs: of the constructor; `session` is taken out as that of `send`, unless the constructor has one.

        Returns:
            The job's id, a UUIDv7; None of a `ShouldBeUnique` job where another one is there.

        Raises:
            QueueError: as `send` raises; what the constructor raises comes as it is. Nothing was stored.
        """
        session = kwargs.pop("session", None) if "session" in kwargs and not _takes_session(cls) else None
        return cls(*args, **kwargs).send(session=session)

    @classmethod_or_own
    def dispatch_if(cls, condition: object, *args: Any, **kwargs: Any) -> str | None:
        """Dispatch a job of these arguments if the condition holds; returns its id or None, raises as `dispatch`."""
        return cls.build_and_send(*args, **kwargs) if condition else None

    @classmethod_or_own
    def dispatch_unless(cls, condition: object, *args: Any, **kwargs: Any) -> str | None:
        """Dispatch a job of these arguments unless the condition holds; returns its id or None, raises as it does."""
        return None if condition else cls.build_and_send(*args, **kwargs)

    @classmethod_or_own
    def dispatch_now(cls, *args: Any, **kwargs: Any) -> Any:
        """Run a job of these arguments here and now, middleware included: one attempt, and nothing is stored.

        Returns:
            What `handle` returns.

        Raises:
            Exception: what `handle` raises, or was given to `fail()`, after `failed()` heard it.
            PermissionDenied: this process, or whoever acts here, lacks a permission that the job requires.
            QueueError: a middleware wants the job to wait, and there is no worker to let it.
            ConfigurationError: the job is async, and an event loop runs in this thread.

        Source: Laravel's `dispatchSync`, whose failures are kept in no list of failed jobs either.
        """
        return dispatcher.current().dispatch_now(cls(*args, **kwargs))

    @classmethod_or_own
    def dispatch_after_response(cls, *args: Any, **kwargs: Any) -> str:
        """Dispatch once the response under way has been sent (`qcore.deferring`), at once where there is none.

        Returns:
            The id that the job will have.

        Raises:
            QueueError: as `dispatch` raises, at once where there is no response; else where that ends.
        """
        job = cls(*args, **kwargs)
        job._id = job._promised_id = promised = new_id()
        identity = current_identity()  # of the block that asks now, not of where the response ends
        if not dispatcher.defer(job.send if identity is None else partial(_send_for, identity, job)):
            job.send()
        return promised

    # -- inside handle -------------------------------------------------------------------------------------------

    @property
    def job_id(self) -> str | None:
        """The job's id, once it has been dispatched; of one dispatched again, the latest."""
        return self._context.job_id if self._context is not None else self._id

    log = BoundLog()
    """Writes log lines that bear the job's id, class, queue and attempt, and its seconds; see `docs/middleware.md`."""

    @property
    def attempts(self) -> int:
        """Which attempt this is, from 1; 0 outside one."""
        return self._context.attempt if self._context is not None else 0

    def release(self, delay: When = 0) -> None:
        """Let the job be tried again after `delay`, once `handle` returns. Costs a try.

        A worker does so. On a sync connection and in `dispatch_now` there is none: the job counts as done.

        Args:
            delay: seconds, a timedelta, or the datetime of the next try.

        Raises:
            ConfigurationError: it was called outside an attempt, or the delay is none.

        Source: Laravel's `release`, which costs a try too.
        """
        self._wish(Wish("release", _delay_us(delay)))

    def snooze(self, delay: When) -> None:
        """Let the job run again after `delay`, once `handle` returns. Costs no try.

        A worker does so. On a sync connection and in `dispatch_now` there is none: the job counts as done.

        Args:
            delay: seconds, a timedelta, or the datetime of the next run.

        Raises:
            ConfigurationError: it was called outside an attempt, or the delay is none.

        Source: `{:snooze, seconds}` of Oban; Laravel has only `release`.
        """
        self._wish(Wish("snooze", _delay_us(delay)))

    def fail(self, exception: BaseException | str) -> None:
        """Fail the job for good, once `handle` returns, whatever tries are left.

        Args:
            exception: kept with the job, and given to `failed()`; a text becomes a RuntimeError.

        Raises:
            ConfigurationError: it was called outside an attempt.
        """
        error = exception if isinstance(exception, BaseException) else RuntimeError(exception)
        self._wish(Wish("fail", error=error))

    def delete(self) -> None:
        """Let the job count as done, once `handle` returns, whatever it asked for before.

        Raises:
            ConfigurationError: it was called outside an attempt.

        Source: Laravel's `delete()`, which does not stop a chain either.
        """
        self._wish(Wish("delete"))

    def transaction(self) -> AbstractContextManager[Any]:
        """Complete the job in a transaction of its own: its rows and its end are committed together, or neither is.

        `with self.transaction() as session:` gives an SQLAlchemy `Session` on the database that the job came from; it
        is committed where the block ends, and taken back where that raises. So work on that database happens exactly
        once, whoever is killed when. The job is done with that: what `handle` returns is not kept, and an error after
        the block is logged.

        Returns:
            The block.

        Raises:
            ConfigurationError: the job's connection has no transactions, no worker runs it, or it has asked for
                another end.
            LeaseLost: at the end of the block, the job is another worker's by now; nothing was committed.
        """
        if self._context is None:
            raise ConfigurationError("transaction() was called outside an attempt", hint="call it in handle()")
        return self._context.desk.transaction(self._context)

    def update_progress(self, percent: float, message: str | None = None) -> None:
        """Say how far the job has come.

        It costs a job next to nothing: at most 5 a second are written to the store, from another thread, and the last
        one before the job ends. A store out of reach is no matter of the job's.

        Args:
            percent: 0 to 100; what lies outside is brought inside.
            message: a few words for the screens.

        Raises:
            ConfigurationError: it is no number.
        """
        whole = percentage(percent, "update_progress")
        if self._context is not None:
            self._context.desk.report(self._context.job_id, whole, None if message is None else str(message))

    def is_cancelled(self) -> bool:
        """Whether somebody asked to cancel this job while it runs; heard of with a heartbeat, so a little late."""
        return self._context is not None and self._context.desk.is_cancelled(self._context.job_id)

    @property
    def batch(self) -> JobBatch | None:
        """The batch whose member this is, as it is now, inside `handle`; else None.

        Each look at it asks the store.

        Raises:
            ConnectionFailed: the store did not answer.
        """
        member = self._context.desk.membership(self._context) if self._context is not None else None
        return None if member is None else member.batch

    # -- in tests ------------------------------------------------------------------------------------------------

    def with_fake_queue(self, *, attempt: int = 1) -> JobTester:
        """Let this job believe that a worker runs it.

        Args:
            attempt: which attempt it is, from 1.

        Returns:
            What tells how it asked to end (`qcore.testing.JobTester`).
        """
        from importlib import import_module

        tester = import_module("qcore.testing").JobTester  # it stands above; only tests ask for it
        return tester(self, attempt=attempt)  # type: ignore[no-any-return]  # of a module known by name

    def _wish(self, wish: Wish) -> None:
        if self._context is None:
            raise ConfigurationError(
                f"{wish.kind}() was called outside an attempt", hint="call it in handle(), run by a worker"
            )
        self._context.wish_for(wish)


def _send_for(identity: Identity, job: Job) -> None:
    with on_behalf_of(identity):
        job.send()


_signatures: dict[type[Job], Signature] = {}


def _takes_session(cls: type[Job]) -> bool:
    """Whether the constructor has a `session` parameter of its own, which then is the job's."""
    from inspect import signature

    if cls not in _signatures:
        _signatures[cls] = signature(cls.__init__)
    return "session" in _signatures[cls].parameters


def _delay_us(delay: When) -> int:
    from_now, instant_us = due(delay, "delay")
    if instant_us is None:
        return from_now
    from qcore.clock import SystemClock

    return max(0, instant_us - SystemClock().wall_us())
