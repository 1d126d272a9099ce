"""Signals of a worker: the first stop lets jobs end, a second hurries, as QUIT does; USR2 pauses, CONT goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


class Signals:
    """Handlers for the time of a worker's run; outside the main thread there are none.

    Args:
        stop: called at TERM and INT, and twice at QUIT.
        pause: called at USR2.
        resume: called at CONT.
    """

    def __init__(self, stop: Callable[[], object], pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._handlers: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: stop,
            signal.SIGINT: stop,
            signal.SIGQUIT: lambda: (stop(), stop()),
            signal.SIGUSR2: pause,
            signal.SIGCONT: resume,
        }
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                del self._handlers[signal.SIGINT]  # Ctrl-C reaches the whole group; the supervisor passes it on once
            for number in self._handlers:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._handlers[signal.Signals(number)]()
