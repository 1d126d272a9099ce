"""What a test runs while an event loop runs in its thread: jobs, which have a loop of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from qcore.jobs.running import close_loop, is_loop_running

R = TypeVar("R")


def apart(work: Callable[[], R]) -> R:
    """Do it here; or, where an event loop is running, in a thread of its own, to the end, in a copy of the context.

    The loop stands still meanwhile. Returns and raises what the work does.
    """
    if not is_loop_running():
        return work()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="qcore-testing") as thread:
        return thread.submit(copy_context().run, _to_the_end, work).result()


def _to_the_end(work: Callable[[], R]) -> R:
    try:
        return work()
    finally:
        close_loop()  # the thread ends, and with it who would have used it again
