"""Which connections a worker serves, and which queues on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcore.worker.lane import Lane

if TYPE_CHECKING:
    from qcore.manager import QueueManager


def open_lanes(
    manager: QueueManager, queues: Sequence[str], connection: str | None, worker: str, grants: tuple[str, ...]
) -> list[Lane]:
    """Make one lane for each connection that a worker serves.

    Args:
        manager: whose connections they are.
        queues: their names, most wanted first; empty: the connection's own queue.
        connection: serve all of them on this one; None: each on its own.
        worker: the worker's id.
        grants: what its jobs may do.
    """
    settings = manager.settings
    names: dict[str, list[str]] = {}
    for queue in queues or [settings.connection(connection).queue]:
        own = settings.connection(connection) if connection else manager.connection_of(queue)
        names.setdefault(own.name, []).append(queue)
    return [
        Lane(manager.connection(name), settings.connection(name), mine, worker, grants) for name, mine in names.items()
    ]
