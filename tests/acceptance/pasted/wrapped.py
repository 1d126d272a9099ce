"""Middleware as the requirements show it; only where things are imported from differs."""

from __future__ import annotations

from pathlib import Path

from qcore import Job, JobFailed, QueueManager, on
from qcore.middleware import (
    AuthorizationMiddleware,
    LoggingMiddleware,
    MiddlewareStack,
    RetryMiddleware,
    ThrottleMiddleware,
    TimingMiddleware,
)

DONE = Path("done.txt")


def note(word: str) -> None:
    with DONE.open("a") as out:
        out.write(f"{word}\n")


class ProcessDataJob(Job):
    def __init__(self):
        super().__init__()
        self.middleware = MiddlewareStack()
        self.middleware.add(LoggingMiddleware())
        self.middleware.add(TimingMiddleware())

    def handle(self):
        note("processed")


class CallPartnerJob(Job):
    def __init__(self, partner):
        super().__init__()
        self.partner = partner
        self.max_tries = 0
        self.middleware = MiddlewareStack()
        self.middleware.add(ThrottleMiddleware(max_jobs=2, per_seconds=1))
        self.middleware.add(RetryMiddleware(max_tries=2, backoff=0, retry_on=(ConnectionError,)))

    def handle(self):
        note(f"{self.partner} {self.attempts}")
        if self.partner == "unreachable":
            raise ConnectionError("no answer")
        if self.partner == "unknown":
            raise LookupError("no such partner")


class PayOutJob(Job):
    middleware = [AuthorizationMiddleware("process_payments", granted=["read_reports"])]

    def handle(self):
        note("paid out")


class Stamp:
    def handle(self, job, next):
        result = next(job)
        note(f"stamped {type(job).__name__}")
        return result


QueueManager.middleware(Stamp())


@on(JobFailed)
async def tell(event: JobFailed):
    note(f"heard {event.job.rpartition(':')[2]}: {event.error}")
