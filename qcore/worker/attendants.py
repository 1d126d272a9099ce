"""The two threads beside a worker's own: a timer that sends and hands back, a heartbeat that keeps leases alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from qcore.errors import QueueError
from qcore.worker.lane import SEND_WITHIN_S, Lane
from qcore.worker.outage import Outage

_RECLAIM_EVERY = 2
"""Heartbeats between two looks for the jobs of dead workers."""


class Attendants:
    """Keeps a worker's lanes in order while its own thread is inside a job.

    Args:
        lanes: of the worker.
        outage: of the worker; it says which store does not answer, and when to look again.
        beats: keep the leases alive from here; no supervisor does.
    """

    def __init__(self, lanes: Sequence[Lane], outage: Outage, *, beats: bool) -> None:
        self._lanes = lanes
        self._outage = outage
        self._stop = threading.Event()
        self._busy = threading.Event()
        self._threads = [threading.Thread(target=self._tick, name="qcore-timer", daemon=True)]
        self._threads += [
            threading.Thread(target=self._beat, args=(lane,), name="qcore-heartbeat", daemon=True)
            for lane in lanes
            if beats
        ]

    def start(self) -> None:
        """Begin; the worker has not leased anything yet."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; returns once they have."""
        self._stop.set()
        self._busy.set()
        for thread in self._threads:
            thread.join()

    def busy(self) -> None:
        """Let the timer tick: there are leases in hand."""
        if not self._busy.is_set():
            self._busy.set()

    def idle(self) -> None:
        """Let the timer rest: nothing is in hand."""
        self._busy.clear()

    def _tick(self) -> None:
        look_at = dict.fromkeys(self._lanes, 0.0)
        while True:
            self._busy.wait()
            if self._stop.wait(SEND_WITHIN_S):
                return
            for lane, at in look_at.items():
                if time.monotonic() >= at and not self._attempt(lane, lane.attend):
                    look_at[lane] = time.monotonic() + self._outage.pause_of(lane.settings.name)

    def _beat(self, lane: Lane) -> None:
        """Beat three times in a lease term; reclaim only after a whole term of beats that all arrived."""
        every_s = lane.settings.lease_s / 3
        unbroken, beaten_at = 0, time.monotonic()
        while not self._stop.wait(every_s):
            if time.monotonic() - beaten_at > lane.settings.lease_s:
                unbroken = 0  # this process slept: others, who may have slept too, get a term to show that they live
            beaten_at = time.monotonic()
            unbroken = unbroken + 1 if self._attempt(lane, lane.beat) else 0
            if unbroken > _RECLAIM_EVERY and unbroken % _RECLAIM_EVERY == 0:
                self._attempt(lane, lane.store.reclaim)

    def _attempt(self, lane: Lane, act: Callable[[], object]) -> bool:
        try:
            act()
        except QueueError as error:
            self._outage.failed(lane.settings.name, error)
            return False
        return True
