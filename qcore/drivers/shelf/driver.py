"""The three faces of an in-process store, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.clock import SystemClock
from qcore.drivers.base import Capabilities
from qcore.drivers.shelf.operating import Operating
from qcore.drivers.shelf.reading import Reading
from qcore.drivers.shelf.shelf import Shelf
from qcore.drivers.shelf.working import Working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.clock import Clock
    from qcore.config import ConnectionSettings


class ShelfDriver(Working, Operating, Reading):
    """A whole store in this process's memory; its jobs end with the process.

    Args:
        settings: of the connection; `lease_s` is the term of a lease.
        clock: the store's clock; the host's own when None.
    """

    capabilities = Capabilities(durable=False, shared=False)

    def __init__(self, settings: ConnectionSettings, *, clock: Clock | None = None) -> None:
        self._shelf = Shelf(settings, clock or SystemClock())

    def migrate(self) -> Sequence[str]:
        """Apply nothing: there is no schema."""
        return ()

    def close(self) -> None:
        """End every wait; the jobs stay for as long as the driver does."""
        self.wake()
