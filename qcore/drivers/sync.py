"""Run at once: the process that pushes a job also runs it, before its dispatch returns.

A store in memory all the same, so that releases, failures and retries go the ordinary way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.base import Capabilities
from qcore.drivers.shelf import ShelfDriver

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings


class SyncDriver(ShelfDriver):
    """A store whose jobs are to be run in place by whoever pushed them."""

    capabilities = Capabilities(durable=False, shared=False, immediate=True)


def open_sync(settings: ConnectionSettings) -> SyncDriver:
    """Open a store that holds nothing yet."""
    return SyncDriver(settings)
