"""Watches the user's code for a supervisor, in a process of its own: a supervisor has no threads, for it forks.

The watcher lives as long as the supervisor's end of a pipe: it ends with it, and when it re-executes itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
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
    """

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter, no shell
            [sys.executable, "-m", __name__, str(os.getpid()), path],
            stdin=subprocess.PIPE,  # never written to: its end is the end
            start_new_session=True,  # Ctrl-C is the supervisor's to hear
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


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
