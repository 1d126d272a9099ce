"""Ending where the terminal is gone: what nobody reads can be waited for without an end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_GRACE_S = 1.5
"""Seconds that an orderly end has, once there is no terminal any more."""
_WRITER = "textual-output"
"""The thread that writes to the terminal; whoever hands it lines waits for it."""


def end_without_terminal(leave: Callable[[], object]) -> None:
    """From now on end when the terminal goes away, in order or, a moment later, without.

    Args:
        leave: begins an orderly end, from whichever thread.
    """

    def hung_up(*_: Any) -> None:
        _end_soon()
        leave()

    def broke_off(args: threading.ExceptHookArgs) -> None:
        if args.thread is not None and args.thread.name == _WRITER:
            hung_up()
        else:
            threading.__excepthook__(args)

    # Not by the loop: that may be what waits for the terminal.
    signal.signal(signal.SIGHUP, hung_up)
    threading.excepthook = broke_off


def _end_soon() -> None:
    timer = threading.Timer(_GRACE_S, os._exit, (128 + signal.SIGHUP,))
    timer.daemon = True
    timer.start()
