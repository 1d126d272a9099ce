"""Signals of a worker: the first stop lets jobs end, a second hurries, as QUIT does; USR2 pauses, CONT goes on.

Under a supervisor it is otherwise. A signal often reaches the whole process group, as from a terminal or a service
manager, and must act once, through the supervisor. So that writes what it wishes into the child's block and sends
`LOOK`; of what anybody else sends only TERM and QUIT count, and however often they come, they say one thing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Self

from qcore.worker.slots import ChildSlots

LOOK: int = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR1
"""Tells a child to look into its block. Where there are real-time signals, it leaves USR1 to the user's code."""
_wishes: ChildSlots | None = None


def follow(slots: ChildSlots) -> None:
    """Let this process, a supervisor's child, heed its block from now on, and outlive the signals of its group."""
    global _wishes  # noqa: PLW0603  how a process takes its signals is one thing for all of it
    _wishes = slots
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what jobs start ignores them too: the terminal's are not meant for it
    for number in (signal.SIGCHLD, signal.SIGCONT):
        signal.signal(number, signal.SIG_DFL)
    for one in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR2, LOOK):
        signal.signal(one, _do_nothing)  # a worker that begins looks into its block first


class Signals:
    """Handlers for the time of a worker's run; outside the main thread there are none.

    Args:
        stop: called at TERM and INT, and twice at QUIT.
        pause: called at USR2.
        resume: called at CONT.
    """

    def __init__(self, stop: Callable[[], object], pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._stop = stop
        self._pause = pause
        self._resume = resume
        self._stops = 0
        self._is_paused = False
        self._handlers = self._alone if _wishes is None else self._below(_wishes)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._handlers:
                self._before[number] = signal.signal(number, self._handle)
            if _wishes is not None:
                self._heed(_wishes)  # what was wished before it listened
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def _alone(self) -> Mapping[int, Callable[[], object]]:
        return {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGQUIT: lambda: (self._stop(), self._stop()),
            signal.SIGUSR2: self._pause,
            signal.SIGCONT: self._resume,
        }

    def _below(self, slots: ChildSlots) -> Mapping[int, Callable[[], object]]:
        return {
            signal.SIGTERM: lambda: self._stop_as(1),
            signal.SIGQUIT: lambda: self._stop_as(2),
            LOOK: lambda: self._heed(slots),
        }

    def _heed(self, slots: ChildSlots) -> None:
        """Do what the supervisor wishes and was not done yet; a handler may come in the middle of another."""
        self._stop_as(slots.stop_wish)
        while (is_paused := slots.is_paused) != self._is_paused:
            self._is_paused = is_paused
            if is_paused:
                self._pause()
            else:
                self._resume()

    def _stop_as(self, wish: int) -> None:
        while self._stops < wish:
            self._stops += 1
            self._stop()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._handlers[number]()


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let a signal pass; unlike one that is ignored, it is not ignored by what jobs start."""
