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
from importlib.util import find_spec
from pathlib import Path

from qcore.errors import ConfigurationError


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
        self.pid, self._end = inherited or _started(path)
        os.set_inheritable(self._end, False)  # noqa: FBT003  the call has no name for it

    @property
    def handle(self) -> tuple[int, int]:
        """What a process needs to go on with the watch once it has re-executed itself."""
        return self.pid, self._end

    def keep(self) -> None:
        """Let the watch live on when this process re-executes itself."""
        os.set_inheritable(self._end, True)  # noqa: FBT003  the call has no name for it

    def close(self) -> None:
        """End it."""
        os.close(self._end)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _started(path: str) -> tuple[int, int]:
    """Start a watcher; returns its pid, and the end of the pipe that it lives by."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", __name__, str(os.getpid()), path]
    actions = [(os.POSIX_SPAWN_DUP2, reading, 0)]
    pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setpgroup=0)
    os.close(reading)  # a process group of its own: Ctrl-C is the supervisor's to hear
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
