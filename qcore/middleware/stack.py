"""Several middleware in their order, and the form of those that act before and after, sync and async alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from inspect import isawaitable, iscoroutine
from typing import Any, Protocol, Self

from qcore.errors import ConfigurationError
from qcore.jobs.job import Job
from qcore.jobs.wrapping import checked

Next = Callable[[Job], Any]
"""Runs the job inside what is left of the stack; of an async job it gives what is to be awaited."""


class Middleware(Protocol):
    """What is put around a job. Any object of this form will do."""

    def handle(self, job: Job, next: Next, /) -> Any:  # noqa: A002  the public name is fixed
        """Run the job by `next(job)`, or leave that; what it returns is the job's result, what it raises its error.

        It may be `async def`, and awaits `next(job)` then.
        """
        ...


class MiddlewareStack(list[Middleware]):
    """Middleware in their order, outermost first.

    Args:
        layers: to begin with.

    Raises:
        ConfigurationError: one of them has no `handle(job, next)`.
    """

    def __init__(self, *layers: Middleware) -> None:
        for layer in layers:
            self.add(layer)

    def add(self, layer: Middleware) -> Self:
        """Add one inside of those that are there; returns the stack.

        Raises:
            ConfigurationError: it has no `handle(job, next)`.
        """
        self.append(checked(layer, "MiddlewareStack.add"))
        return self


class Around:
    """A middleware that acts before and after its job, also where that is async: it says how in `around`."""

    def around(self, job: Job) -> AbstractContextManager[Any]:
        """Return a block that the job runs in; it sees the job's error, and may keep it to itself."""
        raise NotImplementedError

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job in the block; returns what it returns, None where the block kept an error to itself."""
        block: ExitStack[bool] = ExitStack()
        with block:
            block.enter_context(self.around(job))  # type: ignore[arg-type]  # a block says None for False
            result = next(job)
            return _finished(result, block.pop_all()) if isawaitable(result) else result
        return None  # the block kept an error to itself


def answered(answer: Any, where: str) -> bool:
    """Read the answer of a user's function; an awaitable, which would always be true, is none.

    Raises:
        ConfigurationError: the function is async.
    """
    if isawaitable(answer):
        if iscoroutine(answer):
            answer.close()
        raise ConfigurationError(f"{where}: an async function cannot be asked", hint="give one that is not async")
    return bool(answer)


async def _finished(work: Any, block: ExitStack[bool]) -> Any:
    with block:
        return await work
    return None
