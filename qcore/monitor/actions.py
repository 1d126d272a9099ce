"""What an operator does: in bounded steps, with counts of what was matched and changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from qcore.clock import SystemClock, instant
from qcore.errors import ConfigurationError
from qcore.filters import Filter, Term, Value, parse
from qcore.jobs.options import seconds
from qcore.jobs.rate_limits import limit_of_queue
from qcore.manager.failures import Act, act_on_found, act_on_ids, pieces, until_none
from qcore.monitor.moving import AT_ONCE, Again, Mover, Retrier
from qcore.monitor.rotation import Rotation
from qcore.monitor.selection import Selection
from qcore.monitor.snapshots import JobSnapshot
from qcore.states import JobState, Refusal

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager

EVERY_JOB = Filter()
"""Asks for nothing."""
NO_REASONS: Mapping[str, str] = {}
CANCELLABLE = ("delayed", "pending", "retrying", "processing")
"""States of jobs that can be cancelled, in the order in which jobs move, so that none slips past."""
WAITING = ("delayed", "pending", "retrying")
"""States of jobs that can be released."""
MOVABLE = (*WAITING, "failed")
"""States of jobs that can go to another queue."""
_SAMPLE = 3
COMMANDS = ("pause", "continue", "restart", "terminate", "grow", "shrink")
"""What a worker can be told; the last two a supervisor alone."""
_STEPS = ("grow", "shrink")
"""Those that count: said twice they are done twice."""


def new_token() -> str:
    """Make a token under which jobs are dropped, so that `restore` can bring them back within a day."""
    return secrets.token_hex(5)


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an action found and did."""

    matched: int
    changed: int
    failed: tuple[tuple[str, str], ...] = ()
    """(id, reason) of each that was not changed."""
    told: tuple[str, ...] = ()
    """Ids of jobs that run, and whose workers are told: they are neither changed nor failed."""
    dry_run: bool = False
    sample: tuple[JobSnapshot, ...] = ()
    """Of a dry run by filter: a few of those that match."""
    scanned_limit: bool = False
    """Not all jobs were looked at: no index tells which match, and there are too many."""


class Actions:
    """Acts on jobs and queues.

    Args:
        manager: whose connections are used.
        connection: which alone; if None each queue's own, and all in use where no queue is named.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager = manager
        self._connection = connection

    def retry(self, ids: Sequence[str], again: Again = AT_ONCE) -> ActionResult:
        """Put these failed jobs back as pending."""
        retrier = Retrier(self._manager, again, self._connection)
        return self._each(ids, retrier.put_back, retrier.reasons)

    def retry_all(
        self,
        queue: str | None = None,
        limit: int | None = None,
        *,
        where: Filter = EVERY_JOB,
        again: Again = AT_ONCE,
    ) -> ActionResult:
        """Put back every failed job that matches, or a queue's, or the newest `limit` of them."""
        retrier = Retrier(self._manager, again, self._connection)
        return self._matching(_on(queue) & where, limit, retrier.put_back, reasons=retrier.reasons)

    def release(self, ids: Sequence[str], delay_s: float = 0.0) -> ActionResult:
        """Let these jobs, which wait, be due now or so long from now."""
        return self._explained(self._each(ids, _releasing(delay_s)), {})

    def release_all(self, where: Filter, limit: int | None = None, delay_s: float = 0.0) -> ActionResult:
        """Let every job that waits and matches be due now or so long from now, or the first `limit` of them."""
        return self._matching(where, limit, _releasing(delay_s), WAITING)

    def move(self, ids: Sequence[str], to: str) -> ActionResult:
        """Let these jobs, which wait or have failed, go to another queue."""
        mover = Mover(self._manager, to, self._connection)
        return self._explained(self._each(ids, mover.move), mover.reasons)

    def move_all(self, where: Filter, to: str, limit: int | None = None) -> ActionResult:
        """Let every job that waits or has failed, and matches, go to another queue, or the first `limit` of them."""
        mover = Mover(self._manager, to, self._connection)
        return self._matching(where, limit, mover.move, MOVABLE, mover.reasons)

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> ActionResult:
        """Drop these failed jobs, under a token (see `new_token`) or for good."""
        return self._each(ids, lambda store, some: store.forget(some, token=token))

    def forget_all(
        self,
        queue: str | None = None,
        limit: int | None = None,
        *,
        where: Filter = EVERY_JOB,
        token: str | None = None,
    ) -> ActionResult:
        """Drop every failed job that matches, or a queue's, or the newest `limit` of them; see `forget`."""
        return self._matching(_on(queue) & where, limit, lambda store, some: store.forget(some, token=token))

    def restore(self, token: str) -> ActionResult:
        """Bring back, as new pending jobs, what was dropped under a token within the last day, wherever it was.

        Returns:
            `failed` names those that stay dropped; nothing matched where nothing is known of the token.
        """
        restored, refused = 0, dict[str, Refusal]()
        for store in self._stores():
            cursor, is_over = None, False
            while not is_over:
                step = store.restore(token, cursor=cursor)
                restored += len(step.ids)
                refused.update(step.refused)
                cursor, is_over = step.cursor, step.cursor is None
        failed = tuple((job_id, reason.value) for job_id, reason in sorted(refused.items()))
        return ActionResult(matched=restored + len(failed), changed=restored, failed=failed)

    def preview(self, where: Filter, views: Sequence[str], limit: int | None = None) -> ActionResult:
        """Count the jobs of these states that match, with a few as a sample; changes nothing.

        Args:
            where: which ones.
            views: states that can be acted on: neither `completed` nor `cancelled`.
            limit: how many would be acted on at the most.
        """
        selection = self._select(where, views)
        found = islice(selection, limit)
        sample = tuple(one.job for one in islice(found, _SAMPLE))
        number = len(sample) + sum(1 for _ in found) if selection.is_judged else self._counted(selection)
        number = number if limit is None else min(number, limit)
        return ActionResult(
            matched=number, changed=0, dry_run=True, sample=sample, scanned_limit=selection.scanned_limit
        )

    def flush(self, queue: str | None = None, older_than_s: float | None = None) -> ActionResult:
        """Drop every failed job, or a queue's, or those that failed longer ago."""
        before_us = None if older_than_s is None else SystemClock().wall_us() - round(older_than_s * 1e6)
        count = sum(until_none(partial(store.flush, queue=queue, before_us=before_us)) for store in self._stores(queue))
        return ActionResult(matched=count, changed=count)

    def prune(self, view: str, older_than_s: float, *, dry_run: bool = False) -> ActionResult:
        """Drop what ended so long ago.

        Args:
            view: `failed`, `completed` or `cancelled`: how it ended.
            older_than_s: seconds.
            dry_run: only count.
        """
        before_us = SystemClock().wall_us() - round(older_than_s * 1e6)
        if not dry_run:
            flush = [partial(store.flush, before_us=before_us, view=view) for store in self._stores()]
            count = sum(map(until_none, flush))
            return ActionResult(matched=count, changed=count)
        return self.preview(parse(f"ended<{instant(before_us).isoformat()}"), [view])

    def clear(self, queue: str, *, dry_run: bool = False, token: str | None = None) -> ActionResult:
        """Drop every waiting job of a queue, under a token or for good; those that run are left alone."""
        store = self._store(queue)
        if not dry_run:
            count = until_none(lambda: store.clear(queue, token=token))
            return ActionResult(matched=count, changed=count)
        waiting = sum(one.pending + one.delayed + one.retrying for one in store.counts([queue]))
        return ActionResult(matched=waiting, changed=0, dry_run=True)

    def pause(self, queue: str, for_s: float | None = None, reason: str | None = None) -> ActionResult:
        """Let a queue give no jobs, for ever or for so many seconds."""
        pause_s = None if for_s is None else seconds(for_s, "pause")
        changed = self._store(queue).pause(queue, for_s=pause_s, reason=reason)
        return ActionResult(matched=1, changed=int(changed))

    def resume(self, queue: str) -> ActionResult:
        """Let a queue give jobs again."""
        return ActionResult(matched=1, changed=int(self._store(queue).resume(queue)))

    def limit(self, queue: str, most: int | None, per_seconds: float = 60, strategy: str = "sliding_window") -> None:
        """Let so many jobs of a queue start in so many seconds; None: as many as can.

        Raises:
            ConfigurationError: a value makes no sense.
        """
        limit = None if most is None else limit_of_queue(queue, most, per_seconds, strategy)
        self._store(queue).limit(queue, limit)

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> ActionResult:
        """Cancel jobs: those that wait end here, those that run are told, or interrupted where it is to be `hard`."""
        result = self._each(ids, lambda store, some: store.cancel(some, hard=hard))
        states = {job_id: self._state(job_id) for job_id, _ in result.failed}
        told = tuple(job_id for job_id, state in states.items() if state is JobState.PROCESSING)
        failed = tuple(
            (job_id, f"it is {state} already" if state else "no such job")
            for job_id, state in states.items()
            if job_id not in told
        )
        return msgspec.structs.replace(result, told=told, failed=failed)

    def cancel_all(self, where: Filter, limit: int | None = None, *, hard: bool = False) -> ActionResult:
        """Cancel every job that waits or runs and matches, or the first `limit`; see `cancel`."""
        selection = self._select(where, CANCELLABLE)
        ids = (found.job.id for found in islice(selection, limit))
        results = [self.cancel(piece, hard=hard) for piece in pieces(ids)]
        return ActionResult(  # who ended meanwhile is no failure
            matched=sum(result.matched for result in results),
            changed=sum(result.changed for result in results),
            told=tuple(job_id for result in results for job_id in result.told),
            scanned_limit=selection.scanned_limit,
        )

    def release_lock(self, key: str) -> ActionResult:
        """Free a lock, whosever it is, on whichever connection keeps it."""
        changed = sum([store.release_lock(key) for store in self._stores()])
        return ActionResult(matched=changed, changed=changed)

    def command(self, address: str, command: str) -> ActionResult:
        """Leave a command for workers; they hear it with their next report, within about a second.

        Args:
            address: a worker's id, a supervisor's, or `*` for all supervisors.
            command: `pause`, `continue`, `restart` or `terminate`; of a supervisor also `grow` or `shrink`, by one.

        Returns:
            The known workers it concerns; none means that nobody was told.

        Raises:
            ConfigurationError: there is no such command.
        """
        if command not in COMMANDS:
            raise ConfigurationError(f"there is no command {command!r}", hint=f"commands are: {', '.join(COMMANDS)}")
        count = self._store().command(address, command, adds=command in _STEPS)
        return ActionResult(matched=count, changed=count)

    def rotations(self) -> list[Rotation]:
        """Make ready to seal anew, under the keys in force, what each connection holds; see `Rotation`."""
        names = [self._connection] if self._connection else self._manager.connections_in_use()
        return [Rotation(self._manager, name) for name in names]

    def _store(self, queue: str | None = None) -> Store:
        return self._manager.connection(self._connection or self._manager.connection_of(queue).name)

    def _stores(self, queue: str | None = None) -> Iterator[Store]:
        """Those that may hold the jobs, each opened when its turn comes."""
        names = [self._connection] if self._connection else self._manager.connections_for(queue)
        return map(self._manager.connection, names)

    def _state(self, job_id: str) -> JobState | None:
        found = (store.find(job_id) for store in self._stores())
        return next((job.state for job in found if job is not None), None)

    def _each(self, ids: Sequence[str], act: Act, reasons: Mapping[str, str] = NO_REASONS) -> ActionResult:
        wanted = list(dict.fromkeys(ids))
        done = act_on_ids(self._stores(), wanted, act)
        left = (job_id for job_id in wanted if job_id not in done)
        failed = tuple((job_id, reasons.get(job_id, "no failed job of this id")) for job_id in left)
        return ActionResult(matched=len(wanted), changed=len(done), failed=failed)

    def _explained(self, result: ActionResult, reasons: Mapping[str, str]) -> ActionResult:
        """Say of each job that stayed as it was why, or at least where it is."""
        states = {job_id: self._state(job_id) for job_id, _ in result.failed if job_id not in reasons}
        told = {job_id: f"it is {state}" if state else "no such job" for job_id, state in states.items()}
        failed = tuple((job_id, reasons.get(job_id) or told[job_id]) for job_id, _ in result.failed)
        return msgspec.structs.replace(result, failed=failed)

    def _matching(
        self,
        where: Filter,
        limit: int | None,
        act: Act,
        views: Sequence[str] = ("failed",),
        reasons: Mapping[str, str] = NO_REASONS,
    ) -> ActionResult:
        selection = self._select(where, views)
        matched, changed = act_on_found(islice(_once(selection), limit), act)
        failed = tuple(reasons.items())
        return ActionResult(matched=matched, changed=changed, failed=failed, scanned_limit=selection.scanned_limit)

    def _select(self, where: Filter, views: Sequence[str]) -> Selection:
        return Selection(self._manager, where, views=views, connection=self._connection, everywhere=True)

    def _counted(self, selection: Selection) -> int:
        """Count by what the stores keep count of."""
        return sum(
            getattr(counts, view)
            for name, queue in selection.sources
            for counts in self._manager.connection(name).counts(None if queue is None else [queue])
            for view in selection.views
        )


def _once(selection: Selection) -> Iterator[tuple[Store, str]]:
    """Each job that is selected, with its store: one that the act let go to another state is not met again."""
    seen = set()
    for found in selection:
        if found.job.id not in seen:
            seen.add(found.job.id)
            yield found.store, found.job.id


def _releasing(delay_s: float) -> Act:
    delay_us = round(seconds(delay_s, "delay") * 1_000_000)
    return lambda store, ids: store.release(ids, delay_us=delay_us)


def _on(queue: str | None) -> Filter:
    return Filter() if queue is None else Filter((Term("queue", (Value((queue,)),)),))
