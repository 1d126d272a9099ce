"""Run a job's `handle` inside its middleware, sync or async. Worker and `dispatch_now` both end up here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from inspect import iscoroutine, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from qcore.errors import ConfigurationError, JobTimeout
from qcore.identity import Identity, on_behalf_of
from qcore.jobs.context import JobContext
from qcore.jobs.job import Job

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
    if _is_loop_running():
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
    return _call(job) if job.middleware else job.handle()


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

    class TimedOut(JobTimeout):
        def __init__(self) -> None:
            super().__init__(f"the attempt took longer than its timeout of {limit_s:g} s")

    TimedOut.__module__, TimedOut.__qualname__ = JobTimeout.__module__, JobTimeout.__qualname__
    return TimedOut


def close_loop() -> None:
    """Close the event loop that this thread kept for async jobs; the next one gets a new one."""
    runner = _local.runner
    if runner is not None and not runner.get_loop().is_running():
        _local.runner = None
        runner.close()


def is_async(job: Job) -> bool:
    """Whether the job is to be awaited on an event loop."""
    cls = type(job)
    known = _is_async.get(cls)
    if known is None:
        known = _is_async[cls] = iscoroutinefunction(getattr(cls, "function", None) or cls.handle)
    return known


_is_async: dict[type[Job], bool] = {}


def _is_loop_running() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _call(job: Job) -> Any:
    middleware = job.middleware
    stack = middleware() if callable(middleware) else middleware
    return _wrapped(list(stack))(job)


def _on_behalf(job: Job, identity: Identity) -> Any:
    """Run a job as whoever dispatched it: so travels what it dispatches."""
    with on_behalf_of(identity):
        result = _call(job)
    return _awaited(result, identity) if iscoroutine(result) else result


async def _awaited(work: Coroutine[Any, Any, Any], identity: Identity) -> Any:
    with on_behalf_of(identity):
        return await work


def _wrapped(stack: Sequence[Any]) -> Callable[[Job], Any]:
    call: Callable[[Job], Any] = _innermost
    for layer in reversed(stack):
        call = _layer(layer, call)
    return call


def _innermost(job: Job) -> Any:
    return job.handle()


def _layer(layer: Any, following: Callable[[Job], Any]) -> Callable[[Job], Any]:
    return lambda job: layer.handle(job, following)


class _Local(threading.local):
    """One event loop a thread, kept between jobs: making one costs more than a small job."""

    runner: asyncio.Runner | None = None


_local = _Local()


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    if _local.runner is None:
        import asyncio

        _local.runner = asyncio.Runner()
    try:
        return _local.runner.run(work)
    except BaseException:
        close_loop()  # a timeout may have struck the loop itself
        raise
