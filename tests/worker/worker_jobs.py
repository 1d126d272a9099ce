"""Jobs that the worker tests run."""

from __future__ import annotations

import ast
import asyncio
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcore import Job, exponential, job

HEARD: list[tuple[Any, ...]] = []
"""What the jobs of this process did, in order."""


class Noop(Job):
    def handle(self) -> None:
        HEARD.append(("noop",))


class Say(Job):
    def __init__(self, word: str) -> None:
        self.word = word

    def handle(self) -> str:
        HEARD.append((self.word, self.job_id, self.attempts))
        return self.word.upper()


class Leave(Job):
    """Tells how to see whether it is still there."""

    def handle(self) -> None:
        HEARD.append(("left", weakref.ref(self)))


class Respawns(Job):
    """Dispatches itself again from inside `handle`, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def handle(self) -> None:
        again = sum(one[0] == "respawns" for one in HEARD) < self.times
        HEARD.append(("respawns", self.job_id))
        if again:
            self.dispatch()


class Fails(Job):
    max_tries = 2
    backoff = 0

    def __init__(self, text: str = "no luck") -> None:
        super().__init__()
        self.text = text

    def handle(self) -> None:
        HEARD.append(("fails", self.attempts))
        raise ValueError(self.text)

    def failed(self, exception: Exception) -> None:
        HEARD.append(("failed", type(exception).__name__, str(exception)))


class FailedRaises(Fails):
    max_tries = 1

    def failed(self, exception: Exception) -> None:
        raise RuntimeError("failed() itself")


class Asks(Job):
    max_tries = 3
    backoff = exponential(0.001, 0.002)

    def __init__(self, wish: str) -> None:
        self.wish = wish

    def handle(self) -> Any:
        HEARD.append((self.wish, self.attempts))
        if self.wish == "release":
            self.release()
        elif self.wish == "snooze" and len(HEARD) < 6:
            self.snooze(0)
        elif self.wish == "fail":
            self.fail(KeyError("asked for"))
        elif self.wish == "delete":
            self.delete()


class Slow(Job):
    timeout = 0.1
    max_tries = 1

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def handle(self) -> None:
        time.sleep(self.seconds)


class AsyncSay(Job):
    def __init__(self, word: str) -> None:
        self.word = word

    async def handle(self) -> str:
        await asyncio.sleep(0)
        HEARD.append((self.word,))
        return self.word


class AsyncSlow(Job):
    timeout = 0.1
    max_tries = 1

    async def handle(self) -> None:
        await asyncio.sleep(30)


class Progresses(Job):
    def handle(self) -> None:
        self.update_progress(40, "half way, nearly")
        HEARD.append(("progress", self.job_id))


class Touch(Job):
    """Marks a file when it begins, then waits for another before it ends."""

    timeout = 30

    def __init__(self, folder: Path, name: str, *, waits: bool = False) -> None:
        self.folder, self.name, self.waits = folder, name, waits

    def handle(self) -> None:
        (self.folder / self.name).touch()
        while self.waits and not (self.folder / f"{self.name}.go").exists():
            time.sleep(0.005)
        with (self.folder / "ended").open("a") as out:
            out.write(f"{self.name}\n")


BEGUN = threading.Event()
"""Set when a job of this process has begun that waits for something."""


class WaitsForCancel(Job):
    timeout = 0

    def __init__(self, most_s: float) -> None:
        self.most_s = most_s

    def handle(self) -> None:
        BEGUN.set()
        until = time.monotonic() + self.most_s
        while not self.is_cancelled() and time.monotonic() < until:
            time.sleep(0.002)
        HEARD.append(("cancelled", self.is_cancelled()))


class Unkeepable(Job):
    def handle(self) -> object:
        return object()


class Layered(Job):
    class Layer:
        def handle(self, job: Job, following: Any) -> Any:
            HEARD.append(("before",))
            result = following(job)
            HEARD.append(("after",))
            return result

    def middleware(self) -> list[Any]:  # type: ignore[override]  # a method or a list
        return [self.Layer()]

    def handle(self) -> str:
        HEARD.append(("inside",))
        return "kept"


@dataclass
class Point:
    x: int
    y: int


@job(queue="sums", max_tries=5)
def add(first: int, second: int) -> int:
    HEARD.append(("add", first, second))
    return first + second


@job
async def later(point: Point) -> Point:
    await asyncio.sleep(0)
    return Point(point.y, point.x)


class Passes(Job):
    """Dispatches another job, and has little time for that."""

    max_tries = 1
    timeout = 0.2

    def handle(self) -> None:
        Noop().on_queue("next").dispatch()


class Spins(Job):
    """Uses the processor until it is stopped."""

    max_tries = 1

    def __init__(self, limit: float = 0.1) -> None:
        self.timeout = limit

    def handle(self) -> None:
        HEARD.append(("spins", self.job_id))
        until = time.monotonic() + 20
        while time.monotonic() < until:
            pass


class AsyncWaits(Job):
    """Waits on the event loop until it is stopped."""

    max_tries = 1

    def __init__(self, limit: float) -> None:
        self.timeout = limit

    async def handle(self) -> None:
        HEARD.append(("waits", self.job_id))
        await asyncio.sleep(20)


BARRIER: dict[str, threading.Barrier] = {}


class Meets(Job):
    """Waits until all its like are here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def handle(self) -> None:
        BARRIER[self.name].wait(timeout=20)


class Odd(Job):
    """Raises a text that is no fit text, written as Python writes it."""

    max_tries = 1

    def __init__(self, written: str) -> None:
        self.written = written

    def handle(self) -> None:
        raise ValueError(ast.literal_eval(self.written))


class Unspeakable(Exception):  # noqa: N818  it is no error's name
    def __str__(self) -> str:
        raise RuntimeError("and this is how it answers")

    __repr__ = __str__


class Indescribable(Job):
    max_tries = 1

    def handle(self) -> None:
        raise Unspeakable


class CancelsItself(Job):
    """Asks for its own end, fails, and does well when it is retried."""

    max_tries = 1

    def handle(self) -> None:
        assert self.job_id is not None
        HEARD.append(("cancels", self.job_id))
        if len(HEARD) == 1:
            from qcore.manager import QueueManager

            QueueManager.current().connection().cancel([self.job_id])
            raise ValueError("first time")


class DispatchesMore(Job):
    def handle(self) -> None:
        Noop().on_queue("more").dispatch()
