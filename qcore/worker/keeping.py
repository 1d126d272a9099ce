"""Whether anybody keeps a worker's leases alive: what nobody renews, others may soon begin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from qcore.worker.lane import Lane
from qcore.worker.slots import ChildSlots

_LOOK_EVERY_S = 0.1
_LOST_AFTER = 0.8
"""Share of a lease term without a renewal after which its jobs are stopped, where they are to be: four beats."""
_TELLS_A_TERM = 10
"""How often in a lease term the leases in hand are published, whether or not anything changed."""


class Keeping:
    """Watches who renews the leases of the lanes.

    Args:
        lanes: of the worker.
        slots: shared with the supervisor that renews them; None where the worker does so itself.
    """

    def __init__(self, lanes: Sequence[Lane], slots: ChildSlots | None) -> None:
        self._lanes = lanes
        self._slots = slots
        self._stops = [lane for lane in lanes if lane.settings.on_lease_loss == "stop"]
        self._forsaken: set[Lane] = set()
        self._next_look = 0.0
        self._publishing = threading.Lock()
        self._next_tell = 0.0
        self._tell_every_s = min(lane.settings.lease_s for lane in lanes) / _TELLS_A_TERM

    def publish(self) -> None:
        """Tell the supervisor which leases are in hand: it keeps those alive, and no others."""
        if self._slots is not None:
            with self._publishing:
                self._next_tell = time.monotonic() + self._tell_every_s
                self._slots.hold([holding for one in self._lanes for holding in one.holdings()])

    def refresh(self) -> None:
        """Publish again if that was a while ago: a job seen between two places by one look is seen by the next."""
        if time.monotonic() >= self._next_tell:
            self.publish()

    def is_forsaken(self, lane: Lane) -> bool:
        """Whether the supervisor has renewed no lease for a whole term: what is begun now, others may begin too."""
        if self._slots is None:
            return False
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self._forsaken = {one for one in self._lanes if self._unkept_s(one) > one.settings.lease_s}
        return lane in self._forsaken

    @contextmanager
    def watching(self, interrupt: Callable[[Lane], None]) -> Iterator[None]:
        """For a block, see to it that jobs are stopped whose leases are about to end, where they are to be.

        A thread of its own does so: the others may be waiting for the very store that does not answer.

        Args:
            interrupt: stops the attempts of a lane, once however often it is called.
        """
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(interrupt, over), name="qcore-keeping", daemon=True)
        if self._stops:
            watch.start()
        try:
            yield
        finally:
            over.set()
            if self._stops:
                watch.join()

    def _watch(self, interrupt: Callable[[Lane], None], over: threading.Event) -> None:
        while not over.wait(_LOOK_EVERY_S):
            for lane in self._stops:
                if self._unkept_s(lane) > _LOST_AFTER * lane.settings.lease_s:
                    interrupt(lane)

    def _unkept_s(self, lane: Lane) -> float:
        if self._slots is not None:
            return self._slots.unkept_s(lane.settings.name)
        return time.monotonic() - lane.kept_at
