"""Whether a job is the one that was expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from qcore.jobs.function import JobFunction
from qcore.jobs.job import Job

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


def arguments_of(job: Job) -> dict[str, Any]:
    """The arguments of a job by the names of their parameters, defaults included."""
    args, kwargs = job._arguments
    bound = signature(type(job)).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)
