"""What a class does with a job that it builds, and a job with itself: `J.dispatch_now(...)` and `j.dispatch_now()`."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcore.jobs.job import Job

    classmethod_or_own = classmethod
else:

    class classmethod_or_own(classmethod):  # noqa: N801  it stands where `classmethod` stands
        """A class method that builds a job by `cls`; asked of a job it takes that one, and no arguments for another."""

        def __get__(self, job: Job | None, cls: type[Job] | None = None) -> MethodType:
            """Bind it to the class, or to what stands in for it."""
            return super().__get__(None, cls) if job is None else MethodType(self.__func__, _Own(job))


class _Own:
    """Stands where the class stands that builds a job."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, *args: Any, **kwargs: Any) -> Job:
        if args or kwargs:
            name = type(self._job).__qualname__
            raise TypeError(f"this {name} has its arguments already; ask the class, {name}, for one with others")
        return self._job

    def build_and_send(self, *args: Any, session: Any = None, **kwargs: Any) -> str:
        return self(*args, **kwargs).send(session=session)
