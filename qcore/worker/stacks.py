"""Where the threads and tasks of a child are at this moment: for whoever asks what a job is doing.

A signal asks, and the main thread answers when it next has its turn: so not where a job lets nobody else run. To look
at the threads from within the signal itself, as `faulthandler` does, ends the process now and then. Only names of files
and functions, and lines, are told; no values.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from qcore.jobs.loops import minded
from qcore.records import StackRecord

_FILE = "qctl-stacks"
_MOST = 48 * 1024
"""Bytes of a stack that are told."""
_TOLD_FOR_S = 30.0
"""Seconds for which a report carries what was asked for."""
ASK: int | None = None
"""Asks a child; None where the system has no such signals, or no memory with a descriptor that others can read."""
if sys.platform == "linux":
    ASK = signal.SIGRTMIN + 8


def answer() -> None:
    """Let this process, a supervisor's child, tell its stacks from now on whenever it is asked."""
    if ASK is None:
        return
    signal.signal(ASK, signal.SIG_IGN)  # who finds the file may ask at once, and nobody listening would die of it
    file = os.memfd_create(_FILE)
    fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)  # who asks empties it

    def tell(_number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):  # whatever is interrupted here is a job's
            os.write(file, "".join([*_threads(frame), *_tasks()]).encode("utf-8", "replace"))

    signal.signal(ASK, tell)


class Stack:
    """Asks one child, and reads what it told.

    Args:
        pid: of the child.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._asked_at: float | None = None
        self._asked_us = 0

    def ask(self) -> None:
        """Let the child tell where it is."""
        if ASK is None or (path := self._path()) is None:
            return
        with contextlib.suppress(OSError):
            os.truncate(path, 0)  # else the memory would grow with each answer
            self._asked_at, self._asked_us = time.monotonic(), time.time_ns() // 1000
            os.kill(self._pid, ASK)

    def told(self) -> StackRecord | None:
        """Return what was told since it was last asked, if that was not long ago."""
        if self._asked_at is None:
            return None
        if time.monotonic() - self._asked_at > _TOLD_FOR_S:
            self._asked_at = None
            return None
        text = self._read().decode(errors="replace").strip()
        return StackRecord(self._asked_us, text) if text else None

    def _path(self) -> Path | None:
        """Where this process finds the child's memory."""
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{self._pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if link.readlink().name.startswith(f"memfd:{_FILE}"):
                        return link
        return None

    def _read(self) -> bytes:
        path = self._path()
        if path is None:
            return b""
        with contextlib.suppress(OSError), path.open("rb") as file:
            return file.read(_MOST)
        return b""


def _threads(interrupted: FrameType | None) -> Iterator[str]:
    """Tell of all threads; this one is told of as it was when it was interrupted."""
    active = threading._active.copy()  # type: ignore[attr-defined]  # noqa: SLF001  `enumerate` waits for a lock that whoever was interrupted may have
    names = {ident: thread.name for ident, thread in active.items()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  as its documentation has it
        at = interrupted if ident == threading.get_ident() else frame
        places = []
        while at is not None:
            places.append((at.f_code, at.f_lineno))
            at = at.f_back
        yield _told(f"Thread {names.get(ident, ident)}", places)


def _tasks() -> Iterator[str]:
    """Tell of the tasks of the loops on which jobs run."""
    loops = minded()
    if not loops:
        return
    import asyncio  # with the loops it is there; a worker without them does without it

    for loop in loops:
        for task in asyncio.all_tasks(loop):
            yield _told(f"Task {task.get_name()}", [*_frames(task.get_coro())][::-1])


def _told(who: str, places: Iterable[tuple[CodeType, int]]) -> str:
    lines = (f'  File "{code.co_filename}", line {line} in {code.co_name}\n' for code, line in places)
    return f"{who} (most recent call first):\n{''.join(lines)}\n"


def _frames(awaited: Any) -> Iterator[tuple[CodeType, int]]:
    """Where a coroutine is, and what it awaits, and so on; outermost first."""
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame.f_code, frame.f_lineno
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
