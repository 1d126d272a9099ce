"""A process that beats for the children while their supervisor becomes another, however long new code takes to import.

It is made by fork just before the supervisor re-executes itself, and stays its child. It ends when the new supervisor
says so, when that dies, or by itself after a time that no start takes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence

from qcore.worker.children import Child, describe, end_with_parent, flush_streams, name_process
from qcore.worker.courier import NAME
from qcore.worker.pulse import Pulse

_log = logging.getLogger("qcore.worker")
_BEATS_EVERY_S = 0.25
_MINDS_MOST_S = 900.0


def mind(open_pulse: Callable[[], Pulse], children: Sequence[Child], say: Callable[[str], None]) -> int:
    """Make the process; returns its pid. To be called while signals are held, as they are there.

    Args:
        open_pulse: makes the connection to the stores, in that process.
        children: for whom it beats.
        say: told, in that process, why it failed.

    Raises:
        OSError: the system has no room for another process.
    """
    flush_streams()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            _beat(open_pulse, children, parent)
            code = 0
        except BaseException as error:  # noqa: BLE001  the last thing this process can do about it is to say it
            what = "the process that beats for the workers during a reload failed"
            say(f"{what}, and leases may run out: {type(error).__name__}: {error}")
            _log.debug(what, exc_info=True)
        finally:
            os._exit(code)
    return pid


def release(pid: int) -> str | None:
    """End the process: somebody else beats from here on.

    Returns:
        How it ended where it had ended already, in words; None where all is as it should be.
    """
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return describe(status)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


def _beat(open_pulse: Callable[[], Pulse], children: Sequence[Child], parent: int) -> None:
    signal.set_wakeup_fd(-1)
    end_with_parent()
    name_process(NAME)
    pulse = open_pulse()
    until = time.monotonic() + _MINDS_MOST_S
    while os.getppid() == parent and time.monotonic() < until:
        pulse.keep(children)
        time.sleep(_BEATS_EVERY_S)
