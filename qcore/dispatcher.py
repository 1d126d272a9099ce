"""Who takes dispatched jobs: one default for the process, or another for a block. Jobs look only here.

`QueueManager` is the usual dispatcher, a test's fake another: faking replaces a value, it patches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from qcore.errors import ConfigurationError
from qcore.later import make_all


class Dispatcher(Protocol):
    """Takes jobs and sees to it that they run."""

    def dispatch(self, jobs: Sequence[Any], *, session: Any = None) -> Sequence[str | None]:
        """Store jobs; returns the id of each, or None for one that a unique lock refused.

        Args:
            jobs: `Job` instances.
            session: store them in this SQLAlchemy session's transaction.
        """
        ...

    def dispatch_now(self, job: Any) -> Any:
        """Run one job here and now, past any queue; returns what `handle` returns."""
        ...


class _Default:
    dispatcher: Dispatcher | None = None
    factory: Callable[[], Dispatcher] | None = None


_of_block: ContextVar[Dispatcher | None] = ContextVar("qcore_dispatcher", default=None)
_deferred: ContextVar[list[Callable[[], Any]] | None] = ContextVar("qcore_deferred", default=None)


def current() -> Dispatcher:
    """Return the dispatcher in force: of the block, else of the process, made at the first need."""
    found = installed()
    if found is not None:
        return found
    if _Default.factory is None:
        raise ConfigurationError("no dispatcher is installed", hint="import qcore, or call QueueManager.configure()")
    _Default.dispatcher = _Default.factory()
    return _Default.dispatcher


def installed() -> Dispatcher | None:
    """Return the dispatcher in force, or None where none was needed yet."""
    return _of_block.get() or _Default.dispatcher


def default() -> Dispatcher | None:
    """Return the default of the process, or None where none was needed yet."""
    return _Default.dispatcher


def install(dispatcher: Dispatcher | None) -> Dispatcher | None:
    """Make a dispatcher the default of the process; returns the one before. None returns to the first need."""
    before, _Default.dispatcher = _Default.dispatcher, dispatcher
    return before


def install_factory(factory: Callable[[], Dispatcher]) -> None:
    """Say how the default is made when a job is dispatched and none is installed."""
    _Default.factory = factory


def of_block() -> Dispatcher | None:
    """Return the dispatcher of the `using` block around, or None outside of any."""
    return _of_block.get()


def replace_in_block(dispatcher: Dispatcher | None) -> None:
    """Put another in the place of the block's own dispatcher, until it is replaced again or the block ends."""
    _of_block.set(dispatcher)


@contextmanager
def using(dispatcher: Dispatcher) -> Iterator[Dispatcher]:
    """Use a dispatcher for a block, in this thread or coroutine alone."""
    token = _of_block.set(dispatcher)
    try:
        yield dispatcher
    finally:
        _of_block.reset(token)


@contextmanager
def deferring() -> Iterator[None]:
    """Hold back what `dispatch_after_response` is given until the block ends, as a web response does.

    The calls are made also when the block ends by an exception: the response was an error, the jobs are not.

    Raises:
        Exception: at the end of the block the first error of what was held back, once all of it was dispatched; the
            others are notes of it.

    Source: Laravel's `dispatchAfterResponse`, by a block where there is no framework to ask.
    """
    waiting: list[Callable[[], Any]] = []
    try:
        with collecting(waiting):
            yield
    finally:
        make_all(waiting)


@contextmanager
def collecting(waiting: list[Callable[[], Any]]) -> Iterator[None]:
    """Add to a list what `dispatch_after_response` is given in a block; whoever owns the list makes the calls."""
    token = _deferred.set(waiting)
    try:
        yield
    finally:
        _deferred.reset(token)


def defer(call: Callable[[], Any]) -> bool:
    """Keep a call until the surrounding `deferring` block ends; False when there is none."""
    waiting = _deferred.get()
    if waiting is None:
        return False
    waiting.append(call)
    return True
