"""How a child comes to life, and that it dies with its supervisor.

It is forked. Where that can't be, for want of a fork or because the user's modules have started threads, whose locks
a fork may copy as held for ever, a fresh interpreter runs the supervisor's command line. It finds its block by an
environment variable, imports the user's modules by itself, and serves where the supervisor would supervise.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from qcore.worker import stacks
from qcore.worker.children import HANDLED, Duty, Serve, end_with_parent, flush_streams
from qcore.worker.signals import follow
from qcore.worker.slots import ChildSlots, SlotMemory

_BIRTH = "QCTL_WORKER_BIRTH"
_TASKS = Path("/proc/self/task")
SWITCH_S = 0.0005
"""How long a thread of a child may wait for the interpreter's lock before it is let in. The thread that speaks with the
store needs the lock for moments, again and again, and jobs would keep it for 5 ms each time."""
is_told_of_death = sys.platform == "linux"
"""Whether the kernel ends a child whose parent dies; elsewhere a pipe tells it."""


class Birth(msgspec.Struct, frozen=True, array_like=True):
    """What a child in a fresh interpreter must know."""

    group: int
    """Which of the supervisor's groups it belongs to."""
    duty: Duty
    descriptor: int
    """Of the shared memory."""
    children: int
    slots: int
    index: int
    """Of its block."""
    parent: int
    lifeline: int | None
    """The end of `Lifeline` to listen at."""

    def block(self) -> ChildSlots:
        """Return its block of the shared memory."""
        return SlotMemory(self.children, self.slots, self.descriptor).child(self.index, self.duty.places)


class Lifeline:
    """A pipe of which only the supervisor holds the writing end: it closes with the supervisor, however that ends.

    Args:
        ends: of the pipe that this process had before it re-executed itself; reading, writing.
    """

    def __init__(self, ends: tuple[int, int] | None = None) -> None:
        self.reading, self._writing = ends or os.pipe()
        os.set_inheritable(self.reading, True)  # noqa: FBT003  the call has no name for it
        self.keep(kept=False)
        os.register_at_fork(after_in_child=self.close)

    @property
    def ends(self) -> tuple[int, int]:
        """Both ends, for the process that this one becomes."""
        return self.reading, self._writing

    def keep(self, *, kept: bool) -> None:
        """Say whether the writing end outlives the next execution of a program."""
        os.set_inheritable(self._writing, kept)

    def close(self) -> None:
        """Let go of the writing end; once, for its number is free then."""
        writing, self._writing = self._writing, -1
        if writing >= 0:
            os.close(writing)


def strange_threads() -> list[str]:
    """Name the threads of this process beside the one that calls: those of Python, and those the kernel knows."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    names = {one: name for one, name in known.items() if one != threading.get_native_id()}
    with contextlib.suppress(OSError):
        for task in _TASKS.iterdir():
            with contextlib.suppress(OSError):
                if int(task.name) not in known:
                    names[int(task.name)] = (task / "comm").read_text().strip()
    return sorted(names.values())


def fork(slots: ChildSlots, serve: Serve, lifeline: int | None) -> int:
    """Make a child that serves in its block and leaves with the code that `serve` returns; returns its pid.

    To be called while signals are held: until it has undone the supervisor's handlers, none may run in the child.

    Raises:
        OSError: the system has no room for another process.
    """
    flush_streams()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        live(slots, serve, parent, lifeline)
    return pid


def spawn(birth: Birth) -> int:
    """Make a child in a fresh interpreter; returns its pid. To be called while signals are held, as they are there.

    Raises:
        OSError: the system has no room for another process, or the interpreter is gone.
    """
    told = {_BIRTH: msgspec.json.encode(birth).decode()}
    return os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | told)


def birth() -> Birth | None:
    """Return, once, what this process was made for where it is such a child; else None."""
    text = os.environ.pop(_BIRTH, "")
    return msgspec.json.decode(text, type=Birth) if text else None


def live(slots: ChildSlots, serve: Serve, parent: int, lifeline: int | None) -> NoReturn:
    """Serve in a block and leave with the code that `serve` returns; leave at once when the supervisor dies.

    Args:
        slots: the block.
        serve: returns the exit code.
        parent: pid of the supervisor.
        lifeline: where its death shows; None where the kernel tells.
    """
    code = 1
    try:
        _settle_in(slots, parent, lifeline)
        code = serve(slots)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  the last thing this process can do about it is to say it
        traceback.print_exc()
    finally:
        flush_streams()
        os._exit(code)


def _settle_in(slots: ChildSlots, parent: int, lifeline: int | None) -> None:
    """Undo what was the supervisor's: signals, and the state of chance. Die when it dies."""
    follow(slots)
    stacks.answer()
    if lifeline is not None:
        threading.Thread(target=_die_with, args=(lifeline,), name="qcore-lifeline", daemon=True).start()
    else:
        end_with_parent()
    if os.getppid() != parent:  # it died before that took hold
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    random.seed()
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # what was imported stays: no collection need look through it, nor copy its pages


def _die_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)
