"""The public API as users type it; `mypy --strict` reads it, nothing runs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from qcore import (
    Job,
    JobFailed,
    JobProcessed,
    JobRecord,
    JobState,
    QueueManager,
    SecureJob,
    ShouldBeEncrypted,
    ShouldBeUnique,
    ShouldBeUniqueUntilProcessing,
    Worker,
    define_queue,
    dispatch_many,
    exponential,
    job,
    on,
)
from qcore.middleware import (
    AuthorizationMiddleware,
    FailOnException,
    LoggingMiddleware,
    MiddlewareStack,
    Next,
    RetryMiddleware,
    Skip,
    ThrottleMiddleware,
    ThrottlesExceptions,
    TimingMiddleware,
    WithoutOverlapping,
)
from qcore.testing import JobTester, QueueFake, WorkerTester, assert_job_serializable
from qctl import Command
from qctl.testing import CommandTester


class SendEmailJob(Job):
    queue = "emails"
    max_tries = 3
    backoff = exponential(base=2, cap=60)
    timeout = 30
    tags = ("mail",)

    def __init__(self, to_email: str, subject: str, *, copy: bool = False) -> None:
        super().__init__()
        self.to_email, self.subject, self.copy = to_email, subject, copy
        self.delay = timedelta(minutes=1)
        self.priority = 5
        self.retry_until = datetime.now(UTC) + timedelta(hours=1)

    def handle(self) -> int:
        self.update_progress(50, "half way")
        if self.attempts > 2:
            self.fail(RuntimeError("enough"))
        if self.is_cancelled():
            self.delete()
        self.release(timedelta(seconds=5))
        self.snooze(10)
        return len(self.subject)

    def failed(self, exception: Exception) -> None:
        print(exception)  # noqa: T201  what a user would write


class ReportJob(Job, ShouldBeEncrypted):
    def handle(self) -> None: ...


class PayJob(SecureJob):
    def __init__(self, card: str) -> None:
        super().__init__()
        self.card = card
        self.set_sensitive_fields(["card"])
        self.set_required_permissions(["process_payments"])

    def handle(self) -> None: ...


class AsyncJob(Job):
    backoff = (1, 5, timedelta(minutes=1))

    async def handle(self) -> None: ...


class ProcessUserDataJob(Job, ShouldBeUnique):
    unique_replaces = True

    def __init__(self, user_id: int) -> None:
        super().__init__()
        self.user_id = user_id
        self.middleware = [WithoutOverlapping(f"user {user_id}", release_after=5, expire_after=timedelta(hours=1))]

    def unique_id(self) -> str:
        return f"process_user_{self.user_id}"

    def unique_for(self) -> timedelta:
        return timedelta(hours=1)

    def unique_via(self) -> str:
        return "redis"


class LatestJob(Job, ShouldBeUniqueUntilProcessing):
    debounced = (5, timedelta(minutes=1))


@job(queue="images", max_tries=5)
def resize(path: Path, width: int = 100) -> str:
    return f"{path}@{width}"


@job
async def ping(host: str) -> None:
    del host


def dispatching(session: Any, *, wanted: bool) -> None:
    assert_type(SendEmailJob("a@b.c", "Hi").on_queue("high").with_priority(10), SendEmailJob)
    assert_type(SendEmailJob("a@b.c", "Hi").delay_until(60).with_tags("x", "y").with_tries(2).dispatch(), str)
    assert_type(SendEmailJob.dispatch("a@b.c", "Hi", copy=True), str)
    assert_type(SendEmailJob.dispatch_if(wanted, "a@b.c", "Hi"), str | None)
    assert_type(SendEmailJob.dispatch_unless(wanted, "a@b.c", "Hi"), str | None)
    SendEmailJob.dispatch_now("a@b.c", "Hi")
    SendEmailJob("a@b.c", "Hi").on_connection("redis").with_timeout(5).with_backoff([1, 2]).dispatch(session=session)
    AsyncJob.dispatch_after_response()
    assert_type(LatestJob().debounce(5, max_wait=60), LatestJob)
    assert_type(dispatch_many([SendEmailJob("a@b.c", "Hi"), AsyncJob()]), list[str])


def secrets() -> None:
    assert_type(ReportJob.dispatch(), str)
    with QueueManager.acting_as("ada", permissions=["process_payments"]):
        assert_type(PayJob("4111").on_queue("payments").dispatch(), str)
    define_queue("records", encryption_enabled=True)


def functions() -> None:
    assert_type(resize(Path("a.png"), width=5), str)
    assert_type(resize.dispatch(Path("a.png")), str)
    ping.dispatch("localhost")
    assert_type(resize.job(Path("a.png")).on_queue("slow").dispatch(), str)


def records(job_id: str) -> None:
    record = JobRecord.find(job_id)
    assert_type(record.state, JobState)
    assert_type(record.queue, str)
    assert_type(record.attempts, int)
    assert_type(record.progress, int | None)
    assert_type(record.runtime, float | None)
    assert_type(record.cancel(), bool)
    assert_type(record.wait(timeout=5), JobRecord)


class Wrapped(Job):
    middleware = (Skip.when(lambda job: job.attempts > 3), FailOnException([ValueError]))

    def handle(self) -> None:
        self.log.info("sent", to="a@b.c")
        self.log.bind(step=1).warning("slow")


class ByMethod(Job):
    def middleware(self) -> list[Any]:
        return [LoggingMiddleware()]


class Stacked(Job):
    def __init__(self) -> None:
        super().__init__()
        self.middleware = MiddlewareStack()
        self.middleware.add(LoggingMiddleware()).add(TimingMiddleware(slow_s=1))
        self.middleware.add(ThrottleMiddleware(10, per_seconds=timedelta(minutes=1)))
        self.middleware.add(RetryMiddleware(3, backoff=[1, 5], retry_on=OSError))
        self.middleware.add(AuthorizationMiddleware(["pay"], granted=lambda: ["pay"]))
        self.middleware.add(ThrottlesExceptions(5, 60, key="partner"))
        self.middleware.add(Own())
        self.middleware.add(OwnAsync())


class Own:
    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name
        return next(job)


class OwnAsync:
    async def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name
        return await next(job)


@on(JobFailed, JobProcessed)
async def hear(event: JobFailed | JobProcessed) -> None:
    print(event.job_id, event.attempt)  # noqa: T201  what a user would write


@QueueManager.failing
def failing(event: JobFailed) -> None:
    print(event.error)  # noqa: T201  what a user would write


def hooks() -> None:
    QueueManager.middleware(LoggingMiddleware(), Own())
    assert_type(JobRecord.find("id").cancel(hard=True), bool)


def queues() -> None:
    define_queue("emails", connection="database", max_attempts=5, retry_after=300, max_jobs=1000)
    QueueManager.configure({"default": {"driver": "database", "queue": "default"}})
    stats = QueueManager.get_stats("emails")
    assert_type(stats.pending + stats.delayed + stats.processing + stats.retrying + stats.failed, int)
    assert_type(stats.completed, int)
    assert_type(stats.oldest_pending_age, float | None)
    assert_type(QueueManager.size("emails"), int)
    assert_type(QueueManager.queues(), list[str])
    QueueManager.pause("emails")
    QueueManager.resume("emails")
    QueueManager.retry("all")
    QueueManager.retry(["id"])
    QueueManager.forget("id")
    QueueManager.flush()
    QueueManager.clear("emails")


def working(worker: Worker) -> None:
    worker.stop()


class Greet(Command):
    signature = "shop:greet {name?} {--loud}"
    description = "Greet somebody"

    def handle(self) -> int | None:
        name = self.argument("name") or self.ask("Name?", "Ann")
        if not self.confirm(f"Greet {name}?", default=True):
            return 1
        self.table(["name", "length"], [(name, len(name)), [None, 1.5]])
        assert_type(self.with_progress_bar([1, 2], str), list[str])
        assert_type(self.choice("Colour?", ["red", "blue"], default="red"), str)
        assert_type(self.secret("Password?"), str)
        assert_type(self.call("stats", "--queue", "emails", 3), int)
        return None


class Silent(Command):
    signature = "shop:silent"

    def handle(self) -> None:
        self.line()


def testing_commands() -> None:
    result = CommandTester(Greet, Silent).expects_question("Name?", "Bob").run("shop:greet --loud", answers=[True, 2])
    assert_type(result.assert_successful().assert_output_contains("Bob").exit_code, int)
    assert_type(result.output + result.errors, str)


def tests_of_users(queue_fake: QueueFake) -> None:
    queue_fake.assert_pushed(SendEmailJob, times=1, where=lambda job: job.to_email == "a@b.c")
    queue_fake.assert_batched(lambda batch: batch.name == "x")
    queue_fake.assert_chained([SendEmailJob, SendEmailJob("a", "b")], prefix=True)
    assert_type(queue_fake.run(), int)
    assert_type(assert_job_serializable(SendEmailJob("a", "b")), SendEmailJob)
    assert_type(SendEmailJob("a", "b").with_fake_queue(), JobTester)
    WorkerTester().work("emails", until_empty=True)
    with QueueFake(SendEmailJob) as fake:
        fake.assert_nothing_pushed()
