"""Whether anybody keeps a worker's leases alive: what nobody renews, others may soon begin."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qcore.worker.lane import Lane
from qcore.worker.slots import ChildSlots

_LOOK_EVERY_S = 0.1
_LOST_AFTER = 0.8
"""Share of a lease term without a renewal after which its jobs are stopped, where they are to be: four beats."""


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

    def is_forsaken(self, lane: Lane) -> bool:
        """Whether the supervisor has renewed no lease for a whole term: what is begun now, others may begin too."""
        if self._slots is None:
            return False
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self._forsaken = {one for one in self._lanes if self._unkept_s(one) > one.settings.lease_s}
        return lane in self._forsaken

    def lost(self) -> list[Lane]:
        """The lanes whose running jobs are to be stopped, since their leases are about to end."""
        return [one for one in self._stops if self._unkept_s(one) > _LOST_AFTER * one.settings.lease_s]

    def _unkept_s(self, lane: Lane) -> float:
        if self._slots is not None:
            return self._slots.unkept_s(lane.settings.name)
        return time.monotonic() - lane.kept_at
