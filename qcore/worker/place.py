"""Where one attempt runs, as its supervisor sees it: a slot in shared memory, or nowhere."""

from __future__ import annotations

from typing import Protocol

from qcore.envelope import Lease
from qcore.worker.slots import ChildSlots

HARD_GRACE_S = 2.0
"""Seconds between the soft end of an attempt that took too long and the end of its process."""


class Place(Protocol):
    """Told when an attempt begins and ends here."""

    def begin(self, lease: Lease, timeout_s: float) -> None:
        """Note that an attempt begins, and how many seconds it may take (0: any)."""
        ...

    def end(self) -> None:
        """Note that nothing runs here."""
        ...


class Slot:
    """A slot of the child's block."""

    __slots__ = ("_index", "_slots")

    def __init__(self, slots: ChildSlots, index: int) -> None:
        self._slots = slots
        self._index = index

    def begin(self, lease: Lease, timeout_s: float) -> None:
        """Note that an attempt begins; past its timeout and some grace the supervisor ends the child."""
        self._slots.begin(self._index, lease, timeout_s + HARD_GRACE_S if timeout_s else 0.0)

    def end(self) -> None:
        """Note that nothing runs here."""
        self._slots.end(self._index)


class Nowhere:
    """A place that nobody watches: there is no supervisor."""

    def begin(self, lease: Lease, timeout_s: float) -> None:
        """Note nothing."""

    def end(self) -> None:
        """Note nothing."""


def places(slots: ChildSlots | None, count: int) -> list[Place]:
    """Make the places of an executor that runs `count` attempts at a time."""
    if slots is None:
        return [Nowhere() for _ in range(count)]
    return [Slot(slots, index) for index in range(count)]
