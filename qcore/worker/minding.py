"""A process that beats for the children while their supervisor becomes another, however long new code takes to import.

It is made by fork just before the supervisor re-executes itself, and stays its child. It ends when the new supervisor
says so, when that dies, or by itself after a time that no start takes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from qcore.worker.children import Child, end_with_parent, name_process
from qcore.worker.courier import NAME
from qcore.worker.pulse import Pulse

_BEATS_EVERY_S = 0.25
_MINDS_MOST_S = 900.0


def mind(open_pulse: Callable[[], Pulse], children: Sequence[Child]) -> int:
    """Make the process; returns its pid. To be called while signals are held, as they are there.

    Args:
        open_pulse: makes the connection to the stores, in that process.
        children: for whom it beats.

    Raises:
        OSError: the system has no room for another process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            _beat(open_pulse, children, parent)
        finally:
            os._exit(0)
    return pid


def release(pid: int) -> None:
    """End the process: somebody else beats from here on."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _beat(open_pulse: Callable[[], Pulse], children: Sequence[Child], parent: int) -> None:
    signal.set_wakeup_fd(-1)
    end_with_parent()
    name_process(NAME)
    pulse = open_pulse()
    until = time.monotonic() + _MINDS_MOST_S
    while os.getppid() == parent and time.monotonic() < until:
        pulse.keep(children)
        time.sleep(_BEATS_EVERY_S)
