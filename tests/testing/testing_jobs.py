"""Jobs for the tests of the testing tools."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from qcore import BatchableJob, ChainableJob, Job, SecureJob, ShouldBeEncrypted, ShouldBeUnique, job

RAN: list[Any] = []


class SendEmailJob(Job):
    def __init__(self, to_email: str, subject: str = "Hello", body: str = "World") -> None:
        super().__init__()
        self.to_email, self.subject, self.body = to_email, subject, body
        self.queue = "emails"

    def handle(self) -> str:
        RAN.append(self.to_email)
        return self.to_email


class SendSMSJob(Job):
    def __init__(self, number: str = "1") -> None:
        super().__init__()
        self.number = number

    def handle(self) -> None:
        RAN.append(self.number)


class Takes(SecureJob):
    """Whatever it is given."""

    def __init__(self, first: int, *more: int, **named: str) -> None:
        super().__init__()
        self.given = (first, more, named)
        self.set_sensitive_fields(["card"])

    def handle(self) -> None:
        RAN.append(self.given)


class Member(BatchableJob):
    def __init__(self, number: int, fails: bool = False) -> None:
        super().__init__()
        self.number, self.fails = number, fails

    def _handle(self) -> int:
        if self.fails:
            raise ValueError(f"no {self.number}")
        RAN.append(self.number)
        return self.number


class Adds(ChainableJob):
    def __init__(self, number: int = 1) -> None:
        super().__init__()
        self.number = number

    def _handle(self) -> int:
        before = self.get_previous_result() or 0
        total = (sum(before) if isinstance(before, list) else before) + self.number
        RAN.append(total)
        return total


class Once(Job, ShouldBeUnique):
    def unique_id(self) -> str:
        return "the only one"

    def handle(self) -> None:
        RAN.append("once")


class Hidden(Job, ShouldBeEncrypted):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret

    def handle(self) -> None:
        RAN.append(self.secret)


class Pays(SecureJob):
    def __init__(self, card: str, amount: int) -> None:
        super().__init__()
        self.card, self.amount = card, amount
        self.set_sensitive_fields(["card"])

    def handle(self) -> None:
        RAN.append(self.amount)


class Asks(Job):
    """Asks to end as it is told."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def handle(self) -> None:
        self.update_progress(40, "half")
        if self.how == "release":
            self.release(30)
        elif self.how == "release at":
            self.release(datetime.now(UTC) + timedelta(minutes=5))
        elif self.how == "snooze":
            self.snooze(5)
        elif self.how == "fail":
            self.fail(ValueError("no such customer"))
        elif self.how == "delete":
            self.delete()
        elif self.how == "cancel" and self.is_cancelled():
            RAN.append("stopped")


class Breaks(Job):
    backoff = 0
    max_tries = 2

    def handle(self) -> None:
        RAN.append(self.attempts)
        raise ValueError("broken")


class HasABug(Job):
    """With the options that a job has where it says nothing: three tries, and seconds between them."""

    def handle(self) -> None:
        raise ValueError("a bug")


class BreaksOnce(Job):
    backoff = 0

    def handle(self) -> None:
        RAN.append(self.attempts)
        if self.attempts == 1:
            raise ValueError("broken once")


class Follows(Job):
    """Dispatches another job."""

    def handle(self) -> None:
        SendSMSJob.dispatch("followed")


class Lists(Job):
    """Arrives otherwise than it left: its argument is no plain dictionary."""

    def __init__(self, items: dict[Any, Any]) -> None:
        super().__init__()
        self.items = items

    def handle(self) -> None: ...


class HidesLists(Lists, ShouldBeEncrypted):
    """The same, and it is nobody's business."""


class RunsOnALoop(Job):
    def __init__(self, who: ContextVar[str]) -> None:
        super().__init__()
        self.who = who

    async def handle(self) -> tuple[str, asyncio.AbstractEventLoop]:
        await asyncio.sleep(0)
        self.release(30)
        return self.who.get(), asyncio.get_running_loop()


@job(queue="calls")
def call(name: str) -> None:
    RAN.append(name)


@job
async def call_later(name: str) -> str:
    RAN.append(name)
    return name


def done() -> None:
    RAN.append("done")


def told_of(error: Exception) -> None:
    RAN.append(str(error))


def ended() -> None:
    RAN.append("ended")
