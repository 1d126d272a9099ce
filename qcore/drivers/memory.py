"""A store in memory, for tests and for trying things out: the whole protocol, without a server or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.shelf import ShelfDriver
from qcore.drivers.shelf.lane import FOR_EVER

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers.shelf.ordered import Key


class MemoryDriver(ShelfDriver):
    """Jobs in this process's memory; a test gives its own clock."""

    def line(self) -> list[tuple[Key, str]]:
        """The queues that give a job now, each with that job's place, the first to run first: as if they were one."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            giving = [lane for lane in self._shelf.lanes.values() if not lane.is_paused(now_us)]
            return sorted((first, lane.name) for lane in giving if (first := lane.ready.first()) is not None)

    def next_at_us(self) -> int | None:
        """When a queue gives its next job, microseconds since the epoch; None when none ever does as things are."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            nearest = min((lane.next_at_us(now_us) for lane in self._shelf.lanes.values()), default=FOR_EVER)
        return nearest if nearest < FOR_EVER else None


def open_memory(settings: ConnectionSettings) -> MemoryDriver:
    """Open a store that holds nothing yet; each opening is a store of its own.

    Args:
        settings: of the connection; its option `clock` is the store's clock, the host's own without it.
    """
    return MemoryDriver(settings, clock=settings.options.get("clock"))
