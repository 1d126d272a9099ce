"""The threads beside a worker's own: one a lane that exchanges ends for leases, and one that keeps leases alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from qcore.errors import QueueError
from qcore.worker.errands import reclaim_all
from qcore.worker.lane import SEND_WITHIN_S, Lane
from qcore.worker.outage import Outage

_BEATS = 5
"""Heartbeats in a lease term, and looks for the jobs of dead workers: those come back within a term and a beat."""


class Attendants:
    """Keeps a worker's lanes in order while its own thread is inside a job.

    Args:
        lanes: of the worker.
        outage: of the worker; it says which store does not answer, and when to look again.
        came: called when leases came.
        hear: called every few milliseconds while the worker is busy, to learn which jobs were cancelled.
        beats: keep the leases alive from here; no supervisor does.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        outage: Outage,
        *,
        came: Callable[[], None],
        hear: Callable[[], None],
        beats: bool,
    ) -> None:
        self._outage = outage
        self._came = came
        self._hear = hear
        self._calls: dict[Lane, SimpleQueue[None]] = {lane: SimpleQueue() for lane in lanes}
        self._stop = threading.Event()
        self._busy = threading.Event()
        self._threads = [_thread(self._serve, lane, "exchange") for lane in lanes]
        if beats:
            self._threads += [_thread(self._beat, lane, "heartbeat") for lane in lanes]

    def start(self) -> None:
        """Begin; the worker has not leased anything yet."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; returns once they have."""
        self._stop.set()
        self._busy.set()
        for calls in self._calls.values():
            calls.put(None)
        for thread in self._threads:
            thread.join()

    def busy(self) -> None:
        """Let the lanes be looked after every few milliseconds: there are leases in hand."""
        if not self._busy.is_set():
            self._busy.set()

    def idle(self) -> None:
        """Let them rest: nothing is in hand."""
        self._busy.clear()

    def call(self, lane: Lane) -> None:
        """Let it be seen at once to what a lane wishes."""
        self._calls[lane].put(None)

    def _serve(self, lane: Lane) -> None:
        calls, look_at = self._calls[lane], 0.0
        while True:
            self._busy.wait()
            with suppress(Empty):
                calls.get(timeout=SEND_WITHIN_S)
            if self._stop.is_set():
                return
            self._hear()
            if time.monotonic() >= look_at and not self._attempt(lane, self._attend):
                look_at = time.monotonic() + self._outage.pause_of(lane.settings.name)

    def _attend(self, lane: Lane) -> None:
        if lane.top_up():
            self._outage.answered(lane.settings.name)
            self._came()
        lane.attend()

    def _beat(self, lane: Lane) -> None:
        """Beat; reclaim only after a whole term of beats that all arrived."""
        every_s = lane.settings.lease_s / _BEATS
        unbroken, beaten_at = 0, time.monotonic()
        while not self._stop.wait(every_s):
            if time.monotonic() - beaten_at > lane.settings.lease_s:
                unbroken = 0  # this process slept: others, who may have slept too, get a term to show that they live
            beaten_at = time.monotonic()
            act = Lane.beat if unbroken < _BEATS else _beat_and_reclaim
            unbroken = unbroken + 1 if self._attempt(lane, act) else 0

    def _attempt(self, lane: Lane, act: Callable[[Lane], object]) -> bool:
        try:
            act(lane)
        except QueueError as error:
            self._outage.failed(lane.settings.name, error)
            return False
        return True


def _beat_and_reclaim(lane: Lane) -> None:
    lane.beat()
    reclaim_all(lane.store)


def _thread(serve: Callable[[Lane], None], lane: Lane, what: str) -> threading.Thread:
    return threading.Thread(target=serve, args=(lane,), name=f"qcore-{what}-{lane.settings.name}", daemon=True)
