"""A store in memory, for tests and for trying things out: the whole protocol, without a server or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.shelf import ShelfDriver

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings


class MemoryDriver(ShelfDriver):
    """Jobs in this process's memory; a test gives its own clock."""


def open_memory(settings: ConnectionSettings) -> MemoryDriver:
    """Open a store that holds nothing yet; each opening is a store of its own.

    Args:
        settings: of the connection; its option `clock` is the store's clock, the host's own without it.
    """
    return MemoryDriver(settings, clock=settings.options.get("clock"))
