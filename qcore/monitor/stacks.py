"""Asking a worker where its threads and tasks are at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from qcore.monitor.monitor import Monitor

if TYPE_CHECKING:
    from qcore.manager import QueueManager
    from qcore.monitor.snapshots import RunningSnapshot, StackSnapshot, WorkerSnapshot

COMMAND = "stack"
"""What a worker is told that is asked."""


class Answer(NamedTuple):
    """What is known of a worker that was asked."""

    running: Sequence[RunningSnapshot] = ()
    """Its jobs, as of its last report."""
    stack: StackSnapshot | None = None
    """What it told; None while it has not."""
    is_gone: bool = False
    """It has ended, and tells nothing any more."""


class Asked:
    """A worker that is asked where it is; it tells with one of its next reports, of which there is one a second.

    Args:
        manager: of its connection.
        worker: as it was seen; what it had told by then counts no more.
    """

    def __init__(self, manager: QueueManager, worker: WorkerSnapshot) -> None:
        self._manager, self.worker = manager, worker
        self._before = worker.stack.at if worker.stack else None

    def ask(self) -> None:
        """Ask it, or ask it again.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        self._manager.connection(self.worker.connection).command(self.worker.id, COMMAND)

    def look(self) -> Answer:
        """Read what it told.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        known = Monitor(self._manager).workers(self.worker.connection)
        now = next((one for one in known if one.id == self.worker.id), None)
        if now is None:
            return Answer(is_gone=True)
        is_new = now.stack is not None and now.stack.at != self._before
        return Answer(now.running, now.stack if is_new else None)
