"""The attempts that an executor was given: each has a place, and its end is told once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qcore.envelope import Lease
from qcore.settlement import Settlement
from qcore.worker.deadline import Cancelled, Interrupted
from qcore.worker.ends import handed_back
from qcore.worker.executors.base import Ended
from qcore.worker.lane import Lane
from qcore.worker.place import Place, places
from qcore.worker.slots import ChildSlots

LOOK_EVERY_S = 0.05
_HEED_WITHIN_S = 0.3
"""What was interrupted has so long to end; the rest, such as a sleep in C, heeds nobody and is left behind."""


class Entry:
    """One attempt and its place."""

    __slots__ = ("lane", "lease", "place", "runs_in", "unwanted")

    def __init__(self, lane: Lane, lease: Lease, place: Place) -> None:
        self.lane = lane
        self.lease = lease
        self.place = place
        self.unwanted: type[Interrupted] | None = None
        """Why it is to be interrupted, if it is."""
        self.runs_in: object = None
        """What runs it: the identity of a thread, or a task."""


class UnderWay:
    """Keeps what an executor was given until its end is told.

    Args:
        capacity: attempts at a time.
        ended: called with each end, one at a time, in the thread that `end` was called from.
        slots: tell the supervisor which jobs have begun; None where there is no supervisor.
    """

    def __init__(self, capacity: int, ended: Ended, slots: ChildSlots | None) -> None:
        self.capacity = capacity
        self.stop_at = 0.0
        """When whatever runs is interrupted (monotonic seconds); 0: never."""
        self.has_given_up = False
        """Whether attempts still run for which nobody waits."""
        self._ended = ended
        self._telling = threading.Lock()
        self._changed = threading.Condition()
        self._free = places(slots, capacity)
        self._entries: set[Entry] = set()

    @property
    def running(self) -> int:
        """Attempts whose end is not told yet."""
        return self.capacity - len(self._free)

    def begin(self, lane: Lane, lease: Lease) -> Entry:
        """Take an attempt; there is room for it."""
        lane.begin(lease)
        with self._changed:
            entry = Entry(lane, lease, self._free.pop())
            self._entries.add(entry)
        return entry

    def end(self, entry: Entry, settlement: Settlement) -> None:
        """Tell an attempt's end, unless it was given back before."""
        with self._changed:
            if entry not in self._entries:
                return
            self._entries.remove(entry)
        try:
            entry.place.end()
            entry.lane.end(entry.lease)
            with self._telling:
                self._ended(entry.lane, entry.lease, settlement)
        finally:
            with self._changed:
                self._free.append(entry.place)
                self._changed.notify_all()

    def unwanted(self, lane: Lane) -> list[Entry]:
        """Take note that a lane's attempts are to be interrupted; gives each that runs, the first time alone."""
        with self._changed:
            entries = [one for one in self._entries if one.lane is lane and one.runs_in and not one.unwanted]
        for entry in entries:
            entry.unwanted = Interrupted
        return entries

    def cancel(self, lane: Lane, job_id: str, interrupt: Callable[[Entry], bool]) -> bool:
        """Interrupt a job's attempt, once.

        Args:
            lane: of the job.
            job_id: of the job.
            interrupt: does so, where it has begun; whether it has.

        Returns:
            Whether it is being interrupted.
        """
        with self._changed:
            found = [one for one in self._entries if one.lease.id == job_id and one.lane is lane and one.runs_in]
        for entry in [one for one in found if not one.unwanted]:
            entry.unwanted = Cancelled  # first: what is interrupted asks at once why
            if not interrupt(entry):
                entry.unwanted = None
        return any(entry.unwanted for entry in found)

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once there is room for another, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._free), timeout_s)

    def drain(self, meanwhile: Callable[[], None], interrupt: Callable[[], object] = lambda: None) -> None:
        """Return once nothing is under way; short waits let a signal be handled between them.

        Args:
            meanwhile: called again and again until then.
            interrupt: called once when a stop's patience is over. What does not end then is not waited for.
        """
        interrupted_at = 0.0
        while self.running:
            meanwhile()
            now = time.monotonic()
            if self.stop_at and now >= self.stop_at:
                if not interrupted_at:
                    interrupted_at = now
                    interrupt()
                elif now - interrupted_at >= _HEED_WITHIN_S:
                    self.has_given_up = True
                    return
            with self._changed:
                self._changed.wait_for(lambda: not self.running, LOOK_EVERY_S)

    def abandon(self) -> bool:
        """Give back uncharged what still runs: others may begin it at once, so the process must end now.

        Returns:
            Whether there was any.
        """
        with self._changed:
            left = list(self._entries)
        for entry in left:
            self.end(entry, handed_back(entry.lease))
        return bool(left)
