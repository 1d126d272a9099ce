"""`WorkerTester`: a real worker in this process, whose jobs' errors are the test's."""

from __future__ import annotations

from dataclasses import dataclass

from qcore import events
from qcore.manager import QueueManager
from qcore.states import Outcome
from qcore.testing.apart import apart
from qcore.worker import Worker, WorkerOptions


@dataclass(frozen=True)
class WorkReport:
    """What came of the work.

    Args:
        completed: attempts that ended well.
        released: attempts after which their job is to be tried again.
        failed: jobs that failed for good.
        errors: what attempts raised, in order.
        reason: why the worker stopped, as the values of `qcore.worker.StopReason` say it: `empty`, `max_jobs`, `once`,
            `max_time`, `memory`, `signal`.
    """

    completed: int
    released: int
    failed: int
    errors: tuple[BaseException, ...]
    reason: str


class WorkerTester:
    """Works through queues as `qctl work` does, in this process: tries, backoff, middleware and all.

    It works in this thread; while an event loop is running here, in another.

        WorkerTester().work("emails", until_empty=True)

    Args:
        manager: whose connections to use; the one in force if None, which may be a `QueueFake`.

    Raises:
        ConfigurationError: the configuration is wrong, or what takes jobs here is no manager.
    """

    def __init__(self, manager: QueueManager | None = None) -> None:
        self._manager = manager or QueueManager.current()

    def work(
        self,
        *queues: str,
        until_empty: bool = True,
        max_jobs: int | None = None,
        surface: bool = True,
        options: WorkerOptions | None = None,
    ) -> WorkReport:
        """Work, until nothing is due or one of the limits is reached.

        Args:
            queues: most wanted first; the default connection's queue if none are named.
            until_empty: stop when nothing is due.
            max_jobs: stop after so many attempts.
            surface: raise the first error of a job that had not completed when the worker stopped.
            options: everything else that a worker may be told; the two above come on top of it.

        Returns:
            What came of it.

        Raises:
            Exception: what a job raised that failed for good, where it is to `surface`.
            ConfigurationError: a queue's connection is not there, or an option is out of bounds.
            TypeError: a queue is no name.
        """
        for queue in queues:
            if not isinstance(queue, str):
                raise TypeError(f"queues are names, one by one, and not {queue!r}: work('emails', 'default')")
        ears = _Ears()
        changed = {"stop_when_empty": until_empty, "max_jobs": max_jobs}
        given = options or WorkerOptions()
        own = WorkerOptions(**{name: getattr(given, name) for name in given.__struct_fields__} | changed)
        events.on(events.JobProcessed, events.JobExceptionOccurred, events.JobFailed)(ears.hear)
        try:
            with self._manager.using():
                reason = apart(Worker(list(queues) or None, manager=self._manager, options=own).run)
        finally:
            events.off(ears.hear)
        if surface and (error := ears.first_left()) is not None:
            raise error
        return ears.report(reason.value)


class _Ears:
    """Hears what becomes of jobs."""

    def __init__(self) -> None:
        self.completed = self.released = 0
        self.errors: list[BaseException] = []
        self.failed = 0
        self.left: dict[str, BaseException] = {}
        """The first error of each job that has not completed since."""
        self.hear = self._hear  # one object: listeners are known by identity

    def report(self, reason: str) -> WorkReport:
        return WorkReport(self.completed, self.released, self.failed, tuple(self.errors), reason)

    def first_left(self) -> BaseException | None:
        return next(iter(self.left.values()), None)

    def _hear(self, event: events.Event) -> None:
        if isinstance(event, events.JobFailed):
            self.failed += 1
            self.left.setdefault(event.job_id, event.error)
        elif isinstance(event, events.JobExceptionOccurred):
            self.errors.append(event.error)
            self.released += event.outcome is Outcome.RELEASED
            self.left.setdefault(event.job_id, event.error)
        elif isinstance(event, events.JobProcessed):
            self.completed += event.outcome is Outcome.COMPLETED
            self.released += event.outcome is Outcome.RELEASED
            if event.outcome is not Outcome.RELEASED:
                self.left.pop(event.job_id, None)
