"""Run a job's `handle` inside its middleware, sync or async. Worker and `dispatch_now` both end up here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from inspect import iscoroutine, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from qcore.errors import ConfigurationError, Interruption, JobTimeout, QueueError
from qcore.identity import Identity, on_behalf_of
from qcore.jobs import wrapping
from qcore.jobs.context import Desk, Discreet, JobContext, Nobody, Ruling
from qcore.jobs.job import Job
from qcore.jobs.loops import mind
from qcore.jobs.members import Member

if TYPE_CHECKING:
    import asyncio


def run(job: Job, context: JobContext, limit_s: float = 0.0) -> Any:
    """Run one attempt to its end in this thread.

    Args:
        job: to run.
        context: of the attempt.
        limit_s: seconds that an async job may take, 0 for any; the caller sees to the others.

    Returns:
        What `handle` returns; raises what it raises.

    Raises:
        ConfigurationError: the job is async, and this thread's event loop is running: nothing can wait for it here.
    """
    result = start(job, context)
    if result is None or not iscoroutine(result):
        return result
    if is_loop_running():
        result.close()
        raise ConfigurationError(
            f"{type(job).__qualname__} is async and cannot be run from inside a running event loop",
            hint="dispatch it to a queue that a worker serves, or run it in a thread: `await asyncio.to_thread(...)`",
        )
    return _finish(within(result, limit_s))


def start(job: Job, context: JobContext) -> Any:
    """Call a job's `handle` inside its middleware; what is async comes back as a coroutine to await."""
    job._context = context
    if job._dispatched_by is not None:
        return _on_behalf(job, job._dispatched_by)
    if not job.middleware and not wrapping.around_all:
        return job.handle()
    return wrapping.call_of(job)(job)


async def within(work: Coroutine[Any, Any, Any], limit_s: float) -> Any:
    """Await what may take so many seconds; 0: any. Raises `JobTimeout`."""
    import asyncio  # 10 ms that no other job should pay

    scope = asyncio.timeout(limit_s or None)
    try:
        async with scope:
            return await work
    except TimeoutError:
        if scope.expired():
            raise timed_out(limit_s) from None
        raise


def timed_out(limit_s: float) -> type[BaseException]:
    """Make a `JobTimeout` that needs no arguments: another thread can only be given a class to raise."""

    class TimedOut(JobTimeout, Interruption):
        def __init__(self) -> None:
            super().__init__(f"the attempt took longer than its timeout of {limit_s:g} s")

    TimedOut.__module__, TimedOut.__qualname__ = JobTimeout.__module__, JobTimeout.__qualname__
    return TimedOut


def rule(
    job: Job,
    error: BaseException,
    *,
    is_final: bool = False,
    tries: int | None = None,
    delay_s: float | None = None,
) -> None:
    """Decide about an error of the attempt under way, for a middleware that lets it pass; see `Ruling`."""
    if job._context is not None:
        delay_us = None if delay_s is None else round(delay_s * 1e6)
        job._context.ruling = Ruling(error, is_final, tries, delay_us)


def put_off(job: Job, delay_s: float, why: str) -> None:
    """Let a job that has not begun run later, at no cost.

    Raises:
        QueueError: there is no worker that could: the job was to run here and now.
    """
    if job._context is None or _is_nobody(job._context.desk):
        raise QueueError(
            f"{type(job).__qualname__} must wait {delay_s:.3g} s: {why}",
            hint="dispatch it to a queue that a worker serves",
        )
    job.snooze(delay_s)


def _is_nobody(desk: Desk) -> bool:
    return isinstance(desk.behind if isinstance(desk, Discreet) else desk, Nobody)


def close_loop() -> None:
    """Close the event loop that this thread kept for async jobs; the next one gets a new one."""
    runner = _local.runner
    if runner is not None and not runner.get_loop().is_running():
        _local.runner = None
        _loops.pop(threading.get_ident(), None)
        runner.close()


def wake_loop(thread: int) -> None:
    """Let the event loop that a thread keeps have a step: what was raised in the thread is seen at its next one."""
    loop = _loops.get(thread)
    if loop is not None:
        with suppress(RuntimeError):  # it has just been closed
            loop.call_soon_threadsafe(lambda: None)


def is_async(job: Job) -> bool:
    """Whether the job is to be awaited on an event loop."""
    cls = type(job)
    known = _is_async.get(cls)
    if known is None:
        known = _is_async[cls] = iscoroutinefunction(getattr(cls, "function", None) or _inner(cls))
    return known


def is_loop_running() -> bool:
    """Whether an event loop is running in this thread."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _inner(cls: type[Job]) -> Any:
    """What a job's author wrote: of a `BatchableJob` that may be `_handle`."""
    return cls._handle if issubclass(cls, Member) and cls.handle is Member.handle else cls.handle


_is_async: dict[type[Job], bool] = {}


def _on_behalf(job: Job, identity: Identity) -> Any:
    """Run a job as whoever dispatched it: so travels what it dispatches."""
    with on_behalf_of(identity):
        result = wrapping.call_of(job)(job)
    return _awaited(result, identity) if iscoroutine(result) else result


async def _awaited(work: Coroutine[Any, Any, Any], identity: Identity) -> Any:
    with on_behalf_of(identity):
        return await work


class _Local(threading.local):
    """One event loop a thread, kept between jobs: making one costs more than a small job."""

    runner: asyncio.Runner | None = None


_local = _Local()
_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""Of the threads that keep one, by their identity."""


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    if _local.runner is None:
        import asyncio

        _local.runner = asyncio.Runner()
        _loops[threading.get_ident()] = loop = _local.runner.get_loop()
        mind(loop)
    try:
        return _local.runner.run(work)
    except BaseException:
        close_loop()  # a timeout may have struck the loop itself
        raise
