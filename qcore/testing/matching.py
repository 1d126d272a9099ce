"""Whether a job is the one that was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from qcore.jobs.function import JobFunction
from qcore.jobs.job import Job
from qcore.middleware.stack import answered

JobLike = type[Job] | JobFunction[..., Any]
Where = Callable[[Any], object]
NEAR_S = 1.0
"""Seconds by which an instant may differ from the one that is expected: a test takes its time."""


@runtime_checkable
class Whole(Protocol):
    """A batch, chain or graph that was pushed."""

    jobs: list[Any]
    callbacks: frozenset[str]


def class_of(kind: Any) -> type[Job]:
    """The job class of a class or an `@job` function.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(kind, JobFunction):
        return kind.job_class
    if isinstance(kind, type) and issubclass(kind, Job):
        return kind
    raise TypeError(f"expected a job class or an @job function, not {kind!r}")


def is_expected(expected: Any, work: Any) -> bool:
    """Whether work is what was expected: of a class, like an instance, a list, or a batch or chain of such."""
    if isinstance(expected, (list, tuple)):
        works = work.jobs if isinstance(work, Whole) else work
        return isinstance(works, list) and all_match(expected, works)
    if isinstance(expected, Job):
        return type(expected) is type(work) and arguments_of(expected) == arguments_of(work)
    return isinstance(work, class_of(expected))


def all_match(expected: Sequence[Any], works: Sequence[Any]) -> bool:
    """Whether works are just those expected, one by one."""
    return len(expected) == len(works) and all(map(is_expected, expected, works))


def question(where: Where | None, hint: str = "give a function that takes the job") -> Callable[[Any], bool]:
    """A `where` that has been looked at, and answers yes or no; yes to everything if None.

    Args:
        where: as a test gives it.
        hint: what to write instead of a class.

    Raises:
        TypeError: it is a class or an `@job` function, which would say yes to everything.
        ConfigurationError: when it is asked, and is async.
    """
    if where is None:
        return lambda _: True
    if isinstance(where, (type, JobFunction, Job)) or not callable(where):
        raise TypeError(f"{_called(where)} is no question that can be asked; {hint}")
    return lambda one: answered(where(one), "where")


def listed(works: Any) -> list[Any]:
    """The jobs that a test expects in a batch or chain.

    Raises:
        TypeError: it is no list of them.
    """
    if not isinstance(works, Iterable) or isinstance(works, (str, bytes)):
        name = _called(works)
        raise TypeError(f"{name} is no list of jobs; write [{name}] for its jobs")
    return list(works)


def _called(thing: Any) -> str:
    if isinstance(thing, Job):
        return f"{type(thing).__qualname__}(...)"
    name = getattr(thing, "__qualname__", None)  # a class, or an `@job` function
    return name if isinstance(name, str) else repr(thing)


def arguments_of(job: Job) -> dict[str, Any]:
    """The arguments of a job by the names of their parameters, defaults included."""
    args, kwargs = job._arguments
    bound = signature(type(job)).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)
