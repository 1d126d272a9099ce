"""One attempt at a time, in the worker's own thread: no hand-over, no lock."""

from __future__ import annotations

from collections.abc import Callable

from qcore.envelope import Lease
from qcore.jobs.running import close_loop
from qcore.worker.deadline import Deadline
from qcore.worker.executors.base import Ended
from qcore.worker.lane import Lane
from qcore.worker.options import WorkerOptions
from qcore.worker.place import places
from qcore.worker.runner import Runner
from qcore.worker.slots import ChildSlots


class InlineExecutor:
    """Runs what it is given before it returns."""

    capacity = 1
    running = 0

    def __init__(self, options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> None:
        del options
        self._ended = ended
        (self._place,) = places(slots, 1)
        self._lane: Lane | None = None
        self._deadline = Deadline()
        self._deadline.__enter__()

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Run an attempt to its end."""
        self._lane = lane
        self._deadline.job_id = lease.id
        lane.begin(lease)
        settlement = runner.run(lease, self._deadline, self._place)
        lane.end(lease)
        self._ended(lane, lease, settlement)

    def wait_for_room(self, timeout_s: float) -> None:
        """Return: there is always room."""

    def stop_within(self, grace_s: float) -> None:
        """Interrupt the attempt under way if it still runs in so many seconds."""
        self._deadline.stop_within(grace_s)

    def interrupt(self, lane: Lane) -> None:
        """Interrupt the attempt under way, if it is one of that lane."""
        if self._lane is lane and self._deadline.interrupt():
            self._lane = None

    def cancel(self, lane: Lane, job_id: str) -> bool:
        """Interrupt the attempt under way, if it is that job's."""
        return self._lane is lane and self._deadline.cancel(job_id)

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return: nothing runs while the worker's thread is here."""

    def abandon(self) -> bool:
        """Give back nothing: nothing runs while the worker's thread is here."""
        return False

    def close(self) -> None:
        """Give the alarm back, and the loop of async jobs."""
        self._deadline.__exit__()
        close_loop()
