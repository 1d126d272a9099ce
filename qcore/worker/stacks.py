"""Where the threads and tasks of a child are at this moment: for whoever asks what a job is doing.

The threads are told of by `faulthandler`, from within the signal's own handler: so also where a job holds the
interpreter's lock and lets nobody else run. Tasks that wait follow once the interpreter has its next turn. Only names
of files and functions, and lines, are told; no values.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import sys
import time
from collections.abc import Iterator
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
    signal.signal(ASK, lambda *_: _tell_tasks(file))
    faulthandler.register(ASK, file=file, all_threads=True, chain=True)


class Stack:
    """Asks one child, and reads what it told.

    Args:
        pid: of the child.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._asked_at: float | None = None
        self._asked_us = 0
        self._begins = 0

    def ask(self) -> None:
        """Let the child tell where it is."""
        if ASK is None or (path := self._path()) is None:
            return
        with contextlib.suppress(OSError):
            self._begins = path.stat().st_size
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
            file.seek(self._begins)
            return file.read(_MOST)
        return b""


def _tell_tasks(file: int) -> None:
    """Tell of the tasks of the loops on which jobs run."""
    loops = minded()
    if not loops:
        return
    import asyncio  # with the loops it is there; a worker without them does without it

    for loop in loops:
        for task in asyncio.all_tasks(loop):
            text = io.StringIO()
            text.write(f"\nTask {task.get_name()} (most recent call first):\n")
            for code, line in reversed([*_frames(task.get_coro())]):
                text.write(f'  File "{code.co_filename}", line {line} in {code.co_name}\n')
            os.write(file, text.getvalue().encode())


def _frames(awaited: Any) -> Iterator[tuple[CodeType, int]]:
    """Where a coroutine is, and what it awaits, and so on; outermost first."""
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame.f_code, frame.f_lineno
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
