"""What means one thing on a job's class and another on a job: `dispatch`, and `log`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self, overload

if TYPE_CHECKING:
    from qcore.jobs.job import Job
    from qcore.logs import Log


class Dispatch:
    """`J.dispatch(...)` builds a job and dispatches it, `j.dispatch()` dispatches this one."""

    @overload
    def __get__(self, job: None, cls: type[Job]) -> Callable[..., str]: ...
    @overload
    def __get__(self, job: Job, cls: type[Job]) -> Callable[..., str]: ...

    def __get__(self, job: Job | None, cls: type[Job]) -> Callable[..., str]:
        return job.send if job is not None else cls.build_and_send


class BoundLog:
    """`self.log`: made when it is asked for, and a job may keep something else under that name.

    Its lines show nothing of the arguments that are hidden.
    """

    @overload
    def __get__(self, job: None, cls: type[Job]) -> Self: ...
    @overload
    def __get__(self, job: Job, cls: type[Job]) -> Log: ...

    def __get__(self, job: Job | None, cls: type[Job]) -> Log | Self:
        if job is None:
            return self
        from qcore.jobs.sensitive import mask_of_own
        from qcore.logs import bound

        context = job._context
        queue, began = (job.queue, None) if context is None else (context.queue, context.began or None)
        name = f"{cls.__module__}:{cls.__qualname__}"
        mask = mask_of_own(job)
        return bound(cls.__module__, mask, began, job_id=job.job_id, job=name, queue=queue, attempt=job.attempts)
