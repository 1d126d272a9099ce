"""Jobs that hold locks."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from typing import Any

from worker_jobs import HEARD

from qcore import Job, QueueManager, ShouldBeUnique, ShouldBeUniqueUntilProcessing
from qcore.middleware import WithoutOverlapping

RUNNING: list[str] = []
"""The jobs that run now, and may not overlap."""
FREE = threading.Event()
"""Lets a job end that waits for it."""


class Import(Job, ShouldBeUnique):
    max_tries = 1

    def __init__(self, user: Any = 1, end: str = "well") -> None:
        self.user, self.end = user, end

    def unique_id(self) -> str:
        return f"user-{self.user}"

    def unique_for(self) -> timedelta:
        return timedelta(hours=1)

    def handle(self) -> None:
        HEARD.append(("import", self.user, Import.dispatch(self.user)))
        if self.end == "badly":
            raise ValueError(self.end)
        if self.end == "later":
            self.snooze(3600)


class Plain(Job, ShouldBeUnique):
    """The only one of its class."""

    def handle(self) -> None:
        HEARD.append(("plain",))


class Named(Job, ShouldBeUnique):
    """Says it by attributes."""

    unique_id = "the one"  # type: ignore[assignment]  # a method or an attribute
    unique_for = 60  # type: ignore[assignment]  # as above


class WhileWaiting(Job, ShouldBeUniqueUntilProcessing):
    def handle(self) -> None:
        is_first, said = not HEARD, ["began", held(), None]
        HEARD.append(said)  # before the next one can begin
        if is_first:
            said[2] = WhileWaiting.dispatch()


class Last(Job, ShouldBeUnique):
    unique_replaces = True

    def __init__(self, word: str = "") -> None:
        self.word = word

    def handle(self) -> None:
        HEARD.append((self.word,))


class Reindex(Job):
    debounced = (30, 60)

    def __init__(self, document: int = 1) -> None:
        self.document = document


class Elsewhere(Job, ShouldBeUnique):
    max_tries = 1
    via: str | None = "keeper"

    def __init__(self, end: str = "well") -> None:
        self.end = end

    def unique_for(self) -> int:
        return 60

    def unique_via(self) -> str | None:
        return self.via

    def handle(self) -> None:
        HEARD.append(("elsewhere", held("keeper")))
        if self.end == "badly":
            raise ValueError(self.end)


class AsyncElsewhere(Elsewhere):
    async def handle(self) -> None:  # type: ignore[override]  # a worker takes either
        super().handle()


class ElsewhereUntilStart(Elsewhere, ShouldBeUniqueUntilProcessing):
    pass


class Unbounded(Elsewhere):
    def unique_for(self) -> int:
        return 0


class Alone(Job):
    max_tries = 1

    def __init__(self, key: str = "printer", end: str = "well") -> None:
        super().__init__()
        self.key, self.end = key, end
        self.middleware = [WithoutOverlapping(key, release_after=0.01)]

    def handle(self) -> None:
        RUNNING.append(self.key)
        try:
            HEARD.append((RUNNING.count(self.key), self.attempts))
            time.sleep(0.005)
        finally:
            RUNNING.remove(self.key)
        if self.end == "badly":
            raise ValueError(self.end)


class AsyncAlone(Alone):
    async def handle(self) -> None:  # type: ignore[override]
        RUNNING.append(self.key)
        HEARD.append((RUNNING.count(self.key), self.attempts))
        await asyncio.sleep(0.005)
        RUNNING.remove(self.key)


class Stubborn(Job):
    """Holds its key until it is let go."""

    middleware = (WithoutOverlapping("stubborn", release_after=0.01, shared=True),)

    def handle(self) -> None:
        HEARD.append(("holds", held()))
        assert FREE.wait(10)


class Heir(Stubborn):
    """Of another class, with the same key."""

    def handle(self) -> None:
        HEARD.append(("inherits", FREE.is_set()))


def held(connection: str | None = None) -> list[str]:
    """The keys that are held."""
    return [lock.key for lock in QueueManager.current().connection(connection).locks().locks]
