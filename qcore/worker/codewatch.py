"""Watches the user's code for a supervisor, in a process of its own: a supervisor has no threads, for it forks.

The watcher lives as long as the supervisor's end of a pipe, also when that re-executes itself: what changes meanwhile
is not missed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from qcore.errors import ConfigurationError
from qcore.worker.children import QUICK_S, describe, growing_pause


def require_watchable(path: str) -> None:
    """See to it that a path can be watched.

    Raises:
        ConfigurationError: it does not exist, or the package that watches is not installed.
    """
    if find_spec("watchfiles") is None:
        raise ConfigurationError(
            'reloading on changes needs the package "watchfiles"', hint="install it with: pip install 'qctl[dev]'"
        )
    if not Path(path).exists():
        raise ConfigurationError(f"there is nothing to watch at {path!r}", hint="name a folder or a file that exists")


class CodeWatch:
    """A process that sends this one HUP whenever Python code in a path changes.

    Args:
        path: a folder, with all that is in it, or a file.
        inherited: `handle` of the same watch in the process that this one was.
    """

    def __init__(self, path: str, inherited: tuple[int, int] | None = None) -> None:
        self._path = path
        self.pid, self._end = inherited or (0, -1)
        """0: there is none now."""
        self._began_at = time.monotonic()
        self._not_before = 0.0
        self._failures = 0
        if self.pid:
            self.keep(kept=False)

    def tend(self, say: Callable[[str], None]) -> None:
        """Start the process if there is none; one that died has a successor at once, or after a growing pause.

        Args:
            say: told of a death, and of a start that failed.
        """
        if self.pid:
            status = self._status()
            if status is None:
                return
            self._let_go()
            self._failures = self._failures + 1 if time.monotonic() - self._began_at < QUICK_S else 0
            self._put_off(f"the process that watches the code {describe(status)}", say)
        if time.monotonic() < self._not_before:
            return
        try:
            self.pid, self._end = _started(self._path)
        except OSError as error:
            self._failures += 1
            self._put_off(f"no process to watch the code could be made: {error.strerror}", say)
        else:
            self._began_at = time.monotonic()

    @property
    def handle(self) -> tuple[int, int] | None:
        """What a process needs to go on with the watch once it has re-executed itself; None if there is none now."""
        return (self.pid, self._end) if self.pid else None

    def keep(self, *, kept: bool) -> None:
        """Say whether the watch lives on when this process re-executes itself."""
        if self.pid:
            os.set_inheritable(self._end, kept)

    def close(self) -> None:
        """End it."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            self._let_go()

    def _status(self) -> int | None:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return status if pid else None

    def _let_go(self) -> None:
        os.close(self._end)
        self.pid, self._end = 0, -1

    def _put_off(self, text: str, say: Callable[[str], None]) -> None:
        pause_s = growing_pause(self._failures)
        self._not_before = time.monotonic() + pause_s
        say(f"{text}; the next one comes {f'in {pause_s:g} s' if pause_s else 'at once'}")


def _started(path: str) -> tuple[int, int]:
    """Start a watcher; returns its pid, and the end of the pipe that it lives by."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", __name__, str(os.getpid()), path]
    actions = [(os.POSIX_SPAWN_DUP2, reading, 0)]
    try:  # a process group of its own: Ctrl-C is the supervisor's to hear
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setpgroup=0)
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return pid, writing


def watch(supervisor: int, path: str) -> None:
    """Send HUP for every change, until standard input ends."""
    from watchfiles import PythonFilter
    from watchfiles import watch as changes

    over = threading.Event()
    threading.Thread(target=_wait_for_end, args=(over,), daemon=True).start()
    for _ in changes(path, watch_filter=PythonFilter(), stop_event=over, rust_timeout=500):
        if os.getppid() != supervisor:
            return
        os.kill(supervisor, signal.SIGHUP)


def _wait_for_end(over: threading.Event) -> None:
    os.read(0, 1)
    over.set()


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
