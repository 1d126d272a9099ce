"""What an operator does to queues, locks and workers; and what every action answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from qcore.errors import ConfigurationError, QueueError
from qcore.jobs.options import seconds
from qcore.jobs.rate_limits import limit_of_queue
from qcore.manager.operating import Operating
from qcore.monitor.snapshots import JobSnapshot

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager
    from qcore.monitor.snapshots import WorkerSnapshot
    from qcore.monitor.stacks import Asked

COMMANDS = ("pause", "continue", "restart", "terminate", "stack", "grow", "shrink")
"""What a worker can be told; the last two a supervisor alone."""
_STEPS = ("grow", "shrink")
"""Those that count: said twice they are done twice."""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an action found and did."""

    matched: int
    """Jobs (or queues, locks, workers) that it was to act on."""
    changed: int
    """Those on which it acted."""
    failed: tuple[tuple[str, str], ...] = ()
    """(id, reason) of each that was not changed."""
    told: tuple[str, ...] = ()
    """Ids of jobs that run, and whose workers are told: they are neither changed nor failed."""
    dry_run: bool = False
    """Whether it only counted."""
    sample: tuple[JobSnapshot, ...] = ()
    """Of a dry run by filter: a few of those that match."""
    scanned_limit: bool = False
    """Not all jobs were looked at: no index tells which match, and there are too many."""


class QueueActions:
    """The part of `Actions` that is about queues, locks and workers.

    Args:
        manager: whose connections are used.
        connection: which alone; if None each queue's own, and all in use where no queue is named.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager = manager
        self._connection = connection

    def clear(self, queue: str, *, dry_run: bool = False, token: str | None = None) -> ActionResult:
        """Drop every waiting job of a queue; those that run are left alone. Returns how many, or would be.

        Args:
            queue: whose.
            dry_run: only count.
            token: under which `restore` finds them for a day (see `new_token`); None drops them for good.
        """
        store = self._store(queue)
        if not dry_run:
            count = Operating(self._manager).clear(store, queue, token)
            return ActionResult(matched=count, changed=count)
        waiting = sum(one.pending + one.delayed + one.retrying for one in store.counts([queue]))
        return ActionResult(matched=waiting, changed=0, dry_run=True)

    def pause(self, queue: str, for_s: float | None = None, reason: str | None = None) -> ActionResult:
        """Let a queue give no jobs; those that run are left alone. Returns whether that changed anything, as 0 or 1.

        Args:
            queue: which.
            for_s: seconds, 10 years at the most; until `resume` if None.
            reason: a few words for the screens.

        Raises:
            ConfigurationError: `for_s` is no duration.
        """
        pause_s = None if for_s is None else seconds(for_s, "pause")
        changed = self._store(queue).pause(queue, for_s=pause_s, reason=reason)
        return ActionResult(matched=1, changed=int(changed))

    def resume(self, queue: str) -> ActionResult:
        """Let a queue give jobs again; returns whether it was paused, as 0 or 1."""
        return ActionResult(matched=1, changed=int(self._store(queue).resume(queue)))

    def limit(self, queue: str, most: int | None, per_seconds: float = 60, strategy: str = "sliding_window") -> None:
        """Let so many jobs of a queue start in a window, on all hosts together.

        Args:
            queue: which; what its definition says of a limit is overruled.
            most: jobs in a window. None: as many as can.
            per_seconds: the window, in seconds.
            strategy: as of `RateLimit`.

        Raises:
            ConfigurationError: a value makes no sense.
        """
        limit = None if most is None else limit_of_queue(queue, most, per_seconds, strategy)
        self._store(queue).limit(queue, limit)

    def release_lock(self, key: str) -> ActionResult:
        """Free a lock, whosever it is, on whichever connection keeps it; returns on how many it was held."""
        in_use = [self._connection] if self._connection else self._manager.connections_in_use()
        names = in_use if self._connection else self._manager.connections_known()
        changed = sum([self._release_on(name, key, is_needed=name in in_use) for name in names])
        return ActionResult(matched=changed, changed=changed)

    def _release_on(self, name: str, key: str, *, is_needed: bool) -> bool:
        try:
            return self._manager.connection(name).release_lock(key)
        except QueueError:
            if is_needed:
                raise
            return False  # no queue uses it, and it holds nobody up

    def command(self, address: str, command: str) -> ActionResult:
        """Leave a command for workers; they hear it with their next report, within about a second.

        Args:
            address: a worker's id, a supervisor's, or `*` for all supervisors.
            command: `pause`, `continue`, `restart`, `terminate` or `stack` (tell with the next report where it is);
                of a supervisor also `grow` or `shrink`, by one.

        Returns:
            The known workers it concerns; none means that nobody was told.

        Raises:
            ConfigurationError: there is no such command.
        """
        if command not in COMMANDS:
            raise ConfigurationError(f"there is no command {command!r}", hint=f"commands are: {', '.join(COMMANDS)}")
        count = self._store().command(address, command, adds=command in _STEPS)
        return ActionResult(matched=count, changed=count)

    def asked(self, worker: WorkerSnapshot) -> Asked:
        """A worker that can be asked where its code is at this moment."""
        from qcore.monitor.stacks import Asked

        return Asked(self._manager, worker)

    def _store(self, queue: str | None = None) -> Store:
        return self._manager.connection(self._connection or self._manager.connection_of(queue).name)

    def _stores(self, queue: str | None = None) -> Iterator[Store]:
        """Those that may hold the jobs, each opened when its turn comes."""
        names = [self._connection] if self._connection else self._manager.connections_for(queue)
        return map(self._manager.connection, names)
