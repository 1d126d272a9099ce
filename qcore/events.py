"""What happens to jobs and workers, for those who want to hear of it: `@on(JobFailed)` on a function, sync or async.

Listeners belong to the process: they hear what happens in it, whichever manager or worker is at work. One that raises
is logged and harms nothing. Where nobody listens nothing is made, and nothing is asked but whether somebody does.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from inspect import iscoroutine
from traceback import format_tb
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from qcore.errors import ConfigurationError, Interruption, words_of
from qcore.states import Outcome

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger("qcore.events")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""


class _OfJob(Event, frozen=True, kw_only=True):
    job_id: str
    """As `dispatch` returned it."""
    job: str
    """Class path, `module:QualName`."""
    queue: str
    """The queue it is in, or came from."""


class _OfAttempt(_OfJob, frozen=True, kw_only=True):
    attempt: int
    """From 1."""
    connection: str
    """Empty where the job ran without one (`dispatch_now`)."""
    worker: str
    """Its id; empty where there is none."""


class JobQueued(_OfJob, frozen=True, kw_only=True):
    """A store took a job; of one dispatched in a transaction this is told after the commit."""

    connection: str
    """Whose store took it."""


class JobProcessing(_OfAttempt, frozen=True, kw_only=True):
    """An attempt is about to begin: its job is built, and neither middleware nor `handle` were called."""


class JobProcessed(_OfAttempt, frozen=True, kw_only=True):
    """An attempt ended without an error."""

    outcome: Outcome
    """COMPLETED; RELEASED where the job asked for it or its worker had to stop; CANCELLED where somebody did."""
    runtime_s: float
    """Seconds the attempt took."""


class JobExceptionOccurred(_OfAttempt, frozen=True, kw_only=True):
    """An attempt raised; its job is tried again, unless `JobFailed` follows."""

    error: BaseException
    """What it raised, or was given to `fail()`."""
    outcome: Outcome
    """RELEASED or FAILED."""
    delay_s: float
    """Seconds until the next try, where it is RELEASED; else 0."""
    runtime_s: float
    """Seconds the attempt took."""


class JobFailed(_OfAttempt, frozen=True, kw_only=True):
    """A job failed for good."""

    error: BaseException
    """What its last attempt raised, or why there is no further one: MaxAttemptsExceeded, WorkerCrashed, JobTimeout."""


class JobTimedOut(_OfAttempt, frozen=True, kw_only=True):
    """An attempt took longer than its `timeout`.

    Of one whose process had to be ended this is told late, by the worker that takes the job up next.
    """

    is_hard: bool
    """Whether its process was ended."""


class JobRetryRequested(Event, frozen=True, kw_only=True):
    """Somebody put a failed job back into its queue, in this process."""

    job_id: str
    """As `dispatch` returned it."""


class WorkerLooping(Event, frozen=True, kw_only=True):
    """A worker is about to look for jobs. A listener that returns False lets it look for none this time."""

    worker: str
    """Its id."""
    queues: tuple[str, ...]
    """Those it serves, in order."""


class WorkerStopping(Event, frozen=True, kw_only=True):
    """A worker stops: it has given back what had not begun."""

    worker: str
    """Its id."""
    reason: str
    """As `StopReason` names it: `signal`, `empty`, `max_jobs` …"""
    jobs: int
    """Attempts that it ran."""


E = TypeVar("E", bound=Event)
Listener = Callable[[E], object] | Callable[[E], Awaitable[object]]
L = TypeVar("L", bound=Callable[[Any], object])

listeners: dict[type[Event], tuple[Callable[[Any], object], ...]] = {}
"""By event; empty while nobody listens, which is all that a worker asks for each job."""
_under_way: set[asyncio.Task[Any]] = set()


def on(*kinds: type[Event]) -> Callable[[L], L]:
    """Let a function hear of events: `@on(JobFailed)`, or of several.

    A sync listener is called where the event happens, which waits for it. An async one is awaited there too, but on a
    running event loop, where it becomes a task.

    Args:
        kinds: classes of events, one at least. A class stands for itself alone, not for those that derive from it.

    Returns:
        The decorator, which gives the function back as it was.

    Raises:
        ConfigurationError: there is none, or one of them is no event.

    Source: events are named as Laravel's are; `WorkerLooping` is `Looping` there.
    """
    if not kinds or not all(map(_is_event, kinds)):
        raise ConfigurationError(f"on: {kinds!r} are no events", hint="write @on(JobFailed), with an event's class")

    def listen(listener: L) -> L:
        for kind in kinds:
            listeners[kind] = (*listeners.get(kind, ()), listener)
        return listener

    return listen


def off(listener: Callable[[Any], object]) -> None:
    """Let a function hear of nothing any more."""
    for kind, known in list(listeners.items()):
        left = tuple(one for one in known if one is not listener)
        if left:
            listeners[kind] = left
        else:
            del listeners[kind]


def tell(event: Event) -> bool:
    """Tell those who listen; whatever they raise, this returns: False where one of them answered just that."""
    agreed = True
    for listener in listeners.get(type(event), ()):
        try:
            answer = listener(event)
            if iscoroutine(answer):
                _await(answer, listener, event)
            agreed = agreed and answer is not False
        except BaseException as error:
            if _is_meant_for_the_caller(error, event):
                raise
            _complain(listener, error, event)
    return agreed


def _is_meant_for_the_caller(error: BaseException, event: Event) -> bool:
    """Whether something struck while a listener ran, and is none of its own: a job is to end, or Ctrl-C was pressed.

    Workers take Ctrl-C themselves, so that where one runs nobody but a listener raises `KeyboardInterrupt`.
    """
    if isinstance(error, KeyboardInterrupt):
        is_main = threading.current_thread() is threading.main_thread()
        return is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Interruption) and error is not getattr(event, "error", None)


def _is_event(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Event)


async def settled() -> None:
    """Return once the async listeners that this thread's loop was given have ended."""
    import asyncio

    loop = asyncio.get_running_loop()
    with suppress(Exception):
        await asyncio.gather(*[task for task in _under_way if task.get_loop() is loop], return_exceptions=True)


def _await(answer: Coroutine[Any, Any, Any], listener: Callable[[Any], object], event: Event) -> None:
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(answer)
        return
    task = loop.create_task(_guarded(answer, listener, event))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def _guarded(answer: Coroutine[Any, Any, Any], listener: Callable[[Any], object], event: Event) -> None:
    import asyncio

    try:
        await answer
    except BaseException as error:
        task = asyncio.current_task()
        is_cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        if is_cancelled or _is_meant_for_the_caller(error, event):
            raise
        _complain(listener, error, event)


def _complain(listener: Callable[[Any], object], error: BaseException, event: Event) -> None:
    """Log what a listener raised, and nothing of the job's own error, whose words may be hidden elsewhere."""
    name = getattr(listener, "__qualname__", None) or type(listener).__qualname__
    is_of_a_job = getattr(event, "error", None) is not None  # whose words it may quote
    said = type(error).__name__ if is_of_a_job else f"{type(error).__name__}: {words_of(error)}"
    _log.error("the listener %s raised %s\n%s", name, said, "".join(format_tb(error.__traceback__)).rstrip())
