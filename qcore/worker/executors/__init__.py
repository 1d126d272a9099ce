"""Where attempts run: in the worker's own thread, in several threads, or on an event loop."""

from __future__ import annotations

from qcore.worker.executors.base import Ended, Executor
from qcore.worker.options import WorkerOptions
from qcore.worker.slots import ChildSlots

__all__ = ["Ended", "Executor", "open_executor"]


def open_executor(options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> Executor:
    """Choose the executor that the options ask for; only that one is imported.

    Args:
        options: of the worker.
        ended: called with each end, from the thread that ran the attempt, one at a time.
        slots: tell the supervisor which jobs have begun; None where there is no supervisor.
    """
    if options.async_jobs:
        from qcore.worker.executors.aio import AioExecutor

        return AioExecutor(options, ended, slots)
    if options.threads > 1:
        from qcore.worker.executors.threads import ThreadExecutor

        return ThreadExecutor(options, ended, slots)
    from qcore.worker.executors.inline import InlineExecutor

    return InlineExecutor(options, ended, slots)
