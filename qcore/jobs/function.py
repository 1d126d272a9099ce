"""`@job`: a function, sync or async, that is also a job."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from qcore.errors import ConfigurationError
from qcore.jobs.job import Job
from qcore.jobs.options import ALL

P = ParamSpec("P")
R = TypeVar("R")


class JobFunction(Generic[P, R]):
    """A function that can be dispatched. Calling it still calls the function; `job` makes one.

    What dispatches it raises what `Job.dispatch` raises: a QueueError, and nothing was stored.

    Args:
        function: sync or async, at the top level of a module.
        options: as a job class's attributes.
    """

    def __init__(self, function: Callable[P, R], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.job_class = _job_class(function, options)
        """The class of its jobs, for whoever asks for one: `fake.assert_pushed`, `isinstance`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, here and now; returns and raises what it does."""
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined,no-any-return]  # by update_wrapper

    def job(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Return the job of these arguments, to set options on it fluently before `dispatch()`."""
        return self.job_class(*args, **kwargs)

    def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Dispatch a call with these arguments; raises as `Job.dispatch` does.

        Returns:
            The job's id, a UUIDv7.

        Raises:
            QueueError: an argument cannot travel, the queue is full, or the store did not answer.
        """
        return self.job_class.build_and_send(*args, **kwargs)

    def dispatch_if(self, condition: object, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Dispatch a call if the condition holds; returns the job's id or None, raises as `dispatch`."""
        return self.job_class.dispatch_if(condition, *args, **kwargs)

    def dispatch_unless(self, condition: object, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Dispatch a call unless the condition holds; returns the job's id or None, raises as `dispatch`."""
        return self.job_class.dispatch_unless(condition, *args, **kwargs)

    def dispatch_now(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run it as a job here and now, middleware included; returns what the function returns.

        Raises:
            Exception: what the function raises.
            QueueError: as `Job.dispatch_now` raises.
        """
        return self.job_class.dispatch_now(*args, **kwargs)

    def dispatch_after_response(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Dispatch once the response under way has been sent; returns the id the job will have.

        Raises:
            QueueError: as `dispatch` raises, at once where there is no response; else where that ends.
        """
        return self.job_class.dispatch_after_response(*args, **kwargs)


@overload
def job(function: Callable[P, R], /) -> JobFunction[P, R]: ...
@overload
def job(**options: Any) -> Callable[[Callable[P, R]], JobFunction[P, R]]: ...


def job(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Turn a function into a job: `@job` or `@job(queue="emails", max_tries=5)`.

    Args:
        function: sync or async, at the top level of a module.
        options: any option of a job, with its unit: `queue`, `max_tries`, `timeout` (s), `backoff` (s) …; see `Job`.

    Returns:
        The `JobFunction`, or with options what makes one of a function; calling it still calls the function.

    Raises:
        ConfigurationError: there is no option of that name. A value that makes no sense is told of at dispatch.
    """
    allowed = ALL | {"middleware", "debounced"}
    unknown = sorted(options.keys() - allowed)
    if unknown:
        raise ConfigurationError(f"@job has no option {unknown[0]!r}", hint=f"options: {', '.join(sorted(allowed))}")
    if function is not None:
        return JobFunction(function, options)
    return lambda given: JobFunction(given, options)


def _job_class(function: Callable[..., Any], options: dict[str, Any]) -> type[Job]:
    def __init__(self: Job, *args: Any, **kwargs: Any) -> None:  # noqa: N807  the method of the class below
        del self, args, kwargs  # remembered by Job.__new__

    def handle(self: Job) -> Any:
        args, kwargs = self._arguments
        return function(*args, **kwargs)

    __init__.__wrapped__ = _with_self(function)  # type: ignore[attr-defined]  # signature() follows it
    body = {
        "__init__": __init__,
        "handle": handle,
        "function": staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        **options,
    }
    return type(function.__name__, (Job,), body)


def _with_self(function: Callable[..., Any]) -> Callable[..., Any]:
    from inspect import Parameter, Signature, signature

    def stand_in() -> None: ...

    own = list(signature(function).parameters.values())
    me = Parameter("self", Parameter.POSITIONAL_ONLY)
    stand_in.__signature__ = Signature([me, *own])  # type: ignore[attr-defined]  # read by signature()
    return stand_in
