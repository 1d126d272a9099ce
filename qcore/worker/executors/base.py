"""What a worker's loop asks of the place where attempts run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from qcore.envelope import Lease
from qcore.settlement import Settlement
from qcore.worker.lane import Lane
from qcore.worker.runner import Runner

Ended = Callable[[Lane, Lease, Settlement], None]


class Executor(Protocol):
    """Runs attempts, `capacity` at a time."""

    capacity: int

    @property
    def running(self) -> int:
        """Attempts under way."""
        ...

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Run an attempt; there is room for it. May return before it has ended."""
        ...

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once an attempt can be submitted, or after so many seconds."""
        ...

    def stop_within(self, grace_s: float) -> None:
        """Interrupt what still runs in so many seconds; may be called from a signal handler, again with less."""
        ...

    def interrupt(self, lane: Lane) -> None:
        """Interrupt each attempt of a lane that runs now, once, however often this is called; from any thread."""
        ...

    def cancel(self, lane: Lane, job_id: str) -> bool:
        """Interrupt the attempt of a job that somebody cancelled; from any thread.

        Returns:
            Whether it is being interrupted now; False where it does not run, or not yet.
        """
        ...

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return once nothing runs any more, or `stop_within` is over and the rest heeds nobody.

        Args:
            meanwhile: called again and again until then.
        """
        ...

    def abandon(self) -> bool:
        """Give back what still runs, just before the process ends; whether there was any."""
        ...

    def close(self) -> None:
        """Let go of threads and loops; what heeds nobody ends with the process."""
        ...
