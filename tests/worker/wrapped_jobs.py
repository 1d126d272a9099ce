"""Jobs with middleware around them."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, ClassVar

from worker_jobs import HEARD

from qcore import Job
from qcore.middleware import (
    AuthorizationMiddleware,
    FailOnException,
    LoggingMiddleware,
    MiddlewareStack,
    RetryMiddleware,
    Skip,
    ThrottleMiddleware,
    ThrottlesExceptions,
    TimingMiddleware,
)


class Mark:
    """Says when it is passed, on the way in and out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def handle(self, job: Job, next: Any) -> Any:  # noqa: A002
        HEARD.append(("in", self.name))
        result = next(job)
        HEARD.append(("out", self.name))
        return result


class AsyncMark(Mark):
    async def handle(self, job: Job, next: Any) -> Any:  # noqa: A002
        HEARD.append(("in", self.name))
        result = await next(job)
        HEARD.append(("out", self.name))
        return result


class Swallow:
    def handle(self, job: Job, next: Any) -> Any:  # noqa: A002
        try:
            return next(job)
        except ValueError:
            return "kept to itself"


class Raise:
    def handle(self, job: Job, next: Any) -> Any:  # noqa: A002
        raise LookupError("the middleware's own")


class Plain(Job):
    max_tries = 1

    def handle(self) -> str:
        HEARD.append(("handle",))
        return "done"


class Stacked(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.middleware = MiddlewareStack().add(Mark("a")).add(Mark("b"))


class Listed(Plain):
    middleware = (Mark("a"), Mark("b"))


class ByMethod(Plain):
    def __init__(self, name: str) -> None:
        self.name = name

    def middleware(self) -> list[Any]:  # type: ignore[override]
        return [Mark(self.name), Mark("b")]


class ByClassMethod(Plain):
    asked: ClassVar[list[str]] = []

    @classmethod
    def middleware(cls) -> list[Any]:  # type: ignore[override]
        cls.asked.append(cls.__name__)
        return [Mark("a"), Mark("b")]


class AsyncStacked(Job):
    middleware = (Mark("a"), AsyncMark("b"))

    async def handle(self) -> str:
        await asyncio.sleep(0)
        HEARD.append(("handle",))
        return "done"


class AsyncAround(Plain):
    middleware = (AsyncMark("a"), Mark("b"), AsyncMark("c"))


class Swallowed(Job):
    middleware = (Swallow(), RetryMiddleware(retry_on=KeyError))

    def handle(self) -> None:
        raise ValueError


class Raised(Plain):
    middleware = (Raise(),)


class NoMiddleware(Plain):
    middleware = (object(),)


class Skipped(Plain):
    middleware = (Skip.when(lambda job: isinstance(job, Skipped)),)


class AsyncSkipped(Job):
    middleware = (Skip.unless(False),)

    async def handle(self) -> None:
        HEARD.append(("handle",))


class NotSkipped(Plain):
    middleware = (Skip.when(False), Skip.unless(lambda _: True))


class Errs(Job):
    """Raises what it was told to."""

    max_tries = 3
    backoff = 0
    errors: ClassVar[dict[str, type[Exception]]] = {"key": KeyError, "value": ValueError, "os": OSError}

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def handle(self) -> None:
        HEARD.append((self.kind, self.attempts))
        raise self.errors[self.kind](self.kind)


class AsyncErrs(Errs):
    middleware = (FailOnException([KeyError, OSError]),)

    async def handle(self) -> None:  # type: ignore[override]
        super().handle()


class FailsOn(Errs):
    middleware = (FailOnException([KeyError, OSError]),)


class Retries(Errs):
    max_tries = 0
    backoff = 3600
    middleware = (RetryMiddleware(max_tries=2, backoff=0, retry_on=(ValueError, OSError)),)


KEPT: list[weakref.ref[Job]] = []


class GivesUp(Errs):
    """Fails by its own word, from where an error is caught."""

    def __init__(self) -> None:
        super().__init__("key")

    def handle(self) -> None:
        KEPT.append(weakref.ref(self))
        try:
            super().handle()
        except KeyError as error:
            self.fail(error)


class KeepsItself(GivesUp):
    """Fails by the word of its middleware."""

    middleware = (FailOnException(KeyError),)

    def handle(self) -> None:
        KEPT.append(weakref.ref(self))
        raise KeyError


class Throttled(Plain):
    def __init__(self, number: int = 0) -> None:
        self.middleware = [ThrottleMiddleware(2, 0.5)]  # made anew in every run


class Breaks(Job):
    """Raises so often, then does well."""

    max_tries = 0
    backoff = 0
    left: ClassVar[list[int]] = [0]
    middleware = (ThrottlesExceptions(2, 0.4),)

    def handle(self) -> None:
        HEARD.append(("breaks", self.attempts))
        if self.left[0]:
            self.left[0] -= 1
            raise OSError("not there")


class Checked(Plain):
    middleware = (AuthorizationMiddleware(lambda job: False),)


class Granted(Job):
    """Asks for what its worker was granted."""

    max_tries = 3
    middleware = (AuthorizationMiddleware(["pay"]),)

    def handle(self) -> None:
        HEARD.append(("granted",))


class Permitted(Plain):
    held: ClassVar[list[str]] = []
    middleware = (AuthorizationMiddleware(["pay", "refund"], granted=lambda: Permitted.held),)


class Logged(Job):
    max_tries = 1

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.queue = "logged"
        self.middleware = MiddlewareStack().add(LoggingMiddleware()).add(TimingMiddleware())

    def handle(self) -> None:
        self.log.info("inside %s", "it", step=1)
        if self.fails:
            raise ValueError("no luck")


class AsyncLogged(Logged):
    async def handle(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.02)
        super().handle()
