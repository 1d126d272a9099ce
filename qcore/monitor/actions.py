"""What an operator does: in bounded steps, with counts of what was matched and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from qcore.clock import SystemClock
from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager

COMMANDS = ("pause", "continue", "restart", "terminate")
"""What a worker can be told."""
_STEP = 500


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an action found and did."""

    matched: int
    changed: int
    failed: tuple[tuple[str, str], ...] = ()
    """(id, reason) of each that was not changed."""
    dry_run: bool = False


class Actions:
    """Acts on jobs and queues of one connection.

    Args:
        manager: whose connections are used.
        connection: which; each queue's own, or the default, if None.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager = manager
        self._connection = connection

    def retry(self, ids: Sequence[str]) -> ActionResult:
        """Put these failed jobs back as pending."""
        return self._each(ids, self._store().retry)

    def retry_all(self, queue: str | None = None, limit: int | None = None) -> ActionResult:
        """Put back every failed job, or a queue's, or the newest `limit` of them."""
        store = self._store(queue)
        return self._matching(store, queue, limit, store.retry)

    def forget(self, ids: Sequence[str]) -> ActionResult:
        """Drop these failed jobs for good."""
        return self._each(ids, self._store().forget)

    def forget_all(self, queue: str | None = None, limit: int | None = None) -> ActionResult:
        """Drop every failed job, or a queue's, or the newest `limit` of them."""
        store = self._store(queue)
        return self._matching(store, queue, limit, store.forget)

    def flush(self, queue: str | None = None, older_than_s: float | None = None) -> ActionResult:
        """Drop every failed job, or a queue's, or those that failed longer ago."""
        store = self._store(queue)
        before_us = None if older_than_s is None else SystemClock().wall_us() - round(older_than_s * 1e6)
        count = _until_none(lambda: store.flush(queue=queue, before_us=before_us))
        return ActionResult(matched=count, changed=count)

    def clear(self, queue: str, *, dry_run: bool = False) -> ActionResult:
        """Drop every waiting job of a queue; those that run are left alone."""
        store = self._store(queue)
        if not dry_run:
            count = _until_none(lambda: store.clear(queue))
            return ActionResult(matched=count, changed=count)
        waiting = sum(one.pending + one.delayed + one.retrying for one in store.counts([queue]))
        return ActionResult(matched=waiting, changed=0, dry_run=True)

    def pause(self, queue: str, for_s: float | None = None, reason: str | None = None) -> ActionResult:
        """Let a queue give no jobs, for ever or for so many seconds."""
        changed = self._store(queue).pause(queue, for_s=for_s, reason=reason)
        return ActionResult(matched=1, changed=int(changed))

    def resume(self, queue: str) -> ActionResult:
        """Let a queue give jobs again."""
        return ActionResult(matched=1, changed=int(self._store(queue).resume(queue)))

    def cancel(self, ids: Sequence[str]) -> ActionResult:
        """Cancel jobs: those that wait end here, those that run are told."""
        return self._each(ids, self._store().cancel, "it runs, and has been told; or it had ended")

    def command(self, address: str, command: str) -> ActionResult:
        """Leave a command for workers; they hear it with their next report, within about a second.

        Args:
            address: a worker's id, a supervisor's, or `*` for all supervisors.
            command: `pause`, `continue`, `restart` or `terminate`.

        Returns:
            The known workers it concerns; none means that nobody was told.

        Raises:
            ConfigurationError: there is no such command.
        """
        if command not in COMMANDS:
            raise ConfigurationError(f"there is no command {command!r}", hint=f"commands are: {', '.join(COMMANDS)}")
        count = self._store().command(address, command)
        return ActionResult(matched=count, changed=count)

    def _store(self, queue: str | None = None) -> Store:
        return self._manager.connection(self._connection or self._manager.connection_of(queue).name)

    def _each(
        self,
        ids: Sequence[str],
        act: Callable[[Sequence[str]], Sequence[str]],
        reason: str = "no failed job of this id",
    ) -> ActionResult:
        wanted = list(dict.fromkeys(ids))
        done: set[str] = set()
        for piece in _pieces(wanted):
            done.update(act(piece))
        failed = tuple((job_id, reason) for job_id in wanted if job_id not in done)
        return ActionResult(matched=len(wanted), changed=len(done), failed=failed)

    def _matching(
        self,
        store: Store,
        queue: str | None,
        limit: int | None,
        act: Callable[[Sequence[str]], Sequence[str]],
    ) -> ActionResult:
        """Act on failed jobs page by page, by cursor: one that fails again meanwhile is not met twice."""
        matched = changed = 0
        cursor = None
        while limit is None or matched < limit:
            step = _STEP if limit is None else min(_STEP, limit - matched)
            page = store.page("failed", queue=queue, cursor=cursor, limit=step)
            matched += len(page.jobs)
            changed += len(act([job.id for job in page.jobs])) if page.jobs else 0
            cursor = page.next_cursor
            if cursor is None:
                break
        return ActionResult(matched=matched, changed=changed)


def _pieces(ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while piece := list(islice(rest, _STEP)):
        yield piece


def _until_none(step: Callable[[], int]) -> int:
    total = 0
    while done := step():
        total += done
    return total
