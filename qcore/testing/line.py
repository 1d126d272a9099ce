"""Running what a fake holds in one line, whatever the queue and connection: as it was pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.drivers.memory import MemoryDriver
    from qcore.envelope import Lease


class Line:
    """The jobs of all connections of a fake, in one line: larger priority first, then as they are due, then as pushed.

    Args:
        stores: by the names of their connections, all in memory.
    """

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = cast("Mapping[str, MemoryDriver]", stores)

    def first(self) -> str | None:
        """The connection whose job runs next; None when no job may run now."""
        firsts = [(heads[0], name) for name, store in self._stores.items() if (heads := store.line())]
        return min(firsts)[1] if firsts else None

    def next_at_us(self) -> int | None:
        """When the next job may run, microseconds since the epoch; None when none ever may as things are."""
        return min((at for store in self._stores.values() if (at := store.next_at_us()) is not None), default=None)


class Turn:
    """A store as `run_pushed` sees it: it gives the job that is first in line, and nothing once that is elsewhere.

    Args:
        name: of the connection.
        stores: of all connections.
    """

    def __init__(self, name: str, stores: Mapping[str, Store]) -> None:
        self._name = name
        self._store: Any = stores[name]
        self._line = Line(stores)
        self.given = 0
        """Jobs that were given."""

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease the job that is first in line; see `Driver.reserve`."""
        del queues, limit
        if self._line.first() != self._name:
            return ()
        leases: Sequence[Lease] = self._store.reserve([self._store.line()[0][1]], 1, worker, request)
        self.given += len(leases)
        return leases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
