"""What an operator does: in bounded steps, with counts of what was matched and changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from qcore.clock import SystemClock, instant
from qcore.filters import Filter, Term, Value, parse
from qcore.jobs.options import seconds
from qcore.manager.failures import Act, act_on_found, act_on_ids, pieces, until_none
from qcore.manager.operating import Operating
from qcore.monitor.moving import AT_ONCE, Again, Mover, Retrier
from qcore.monitor.queue_actions import ActionResult, QueueActions
from qcore.monitor.rotation import Rotation
from qcore.monitor.selection import Selection
from qcore.states import JobState, Refusal

if TYPE_CHECKING:
    from qcore.drivers import Store

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


def new_token() -> str:
    """Make a token under which jobs are dropped, so that `restore` can bring them back within a day."""
    return secrets.token_hex(5)


class Actions(QueueActions):
    """Acts on jobs and queues, in bounded steps. Each method returns what it found and did.

    Each may raise ConnectionFailed: what was changed before stays so.

    Args:
        manager: whose connections are used.
        connection: which alone; if None each queue's own, and all in use where no queue is named.
    """

    def retry(self, ids: Sequence[str], again: Again = AT_ONCE) -> ActionResult:
        """Put these failed jobs back as pending, with all their tries.

        Args:
            ids: of failed jobs.
            again: to which queue, and after how many seconds.

        Returns:
            How many went back; `failed` says of each other one why not.

        Raises:
            ConfigurationError: `again` names no queue, or its times are none.
            ConnectionFailed: a store did not answer.
        """
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
        """Put back every failed job that matches, with all its tries.

        Args:
            queue: only this queue's.
            limit: the newest so many at the most; all if None.
            where: only those that match.
            again: to which queue, and after how many seconds.

        Returns:
            How many matched, and how many went back; one that fails again meanwhile is not met twice.

        Raises:
            ConfigurationError: `again` names no queue, or its times are none.
            ConnectionFailed: a store did not answer.
        """
        retrier = Retrier(self._manager, again, self._connection)
        return self._matching(_on(queue) & where, limit, retrier.put_back, reasons=retrier.reasons)

    def release(self, ids: Sequence[str], delay_s: float = 0.0) -> ActionResult:
        """Let these jobs, which wait, be due now or so long from now.

        Args:
            ids: of jobs that wait: pending, delayed or retrying.
            delay_s: seconds.

        Returns:
            How many there were; `failed` says of each other one where it is.

        Raises:
            ConfigurationError: `delay_s` is no duration.
            ConnectionFailed: a store did not answer.
        """
        return self._explained(self._each(ids, _releasing(delay_s)), {})

    def release_all(self, where: Filter, limit: int | None = None, delay_s: float = 0.0) -> ActionResult:
        """Let every job that waits and matches be due now or so long from now.

        Args:
            where: which ones.
            limit: the first so many at the most; all if None.
            delay_s: seconds.

        Returns:
            How many matched, and how many were changed.

        Raises:
            ConfigurationError: `delay_s` is no duration.
            ConnectionFailed: a store did not answer.
        """
        return self._matching(where, limit, _releasing(delay_s), WAITING)

    def move(self, ids: Sequence[str], to: str) -> ActionResult:
        """Let these jobs, which wait or have failed, go to another queue of their own store.

        Args:
            ids: of the jobs.
            to: the queue's name.

        Returns:
            How many went; `failed` says of each other one why not.

        Raises:
            ConfigurationError: `to` is no name of a queue, or its connection is none.
            ConnectionFailed: a store did not answer.
        """
        mover = Mover(self._manager, to, self._connection)
        return self._explained(self._each(ids, mover.move), mover.reasons)

    def move_all(self, where: Filter, to: str, limit: int | None = None) -> ActionResult:
        """Let every job that waits or has failed, and matches, go to another queue of its own store.

        Args:
            where: which ones.
            to: the queue's name.
            limit: the first so many at the most; all if None.

        Returns:
            How many matched, and how many went; `failed` says of each other one why not.

        Raises:
            ConfigurationError: `to` is no name of a queue, or its connection is none.
            ConnectionFailed: a store did not answer.
        """
        mover = Mover(self._manager, to, self._connection)
        return self._matching(where, limit, mover.move, MOVABLE, mover.reasons)

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> ActionResult:
        """Drop these failed jobs, under a token (see `new_token`) or for good; returns how many there were."""
        return self._each(ids, lambda store, some: store.forget(some, token=token))

    def forget_all(
        self,
        queue: str | None = None,
        limit: int | None = None,
        *,
        where: Filter = EVERY_JOB,
        token: str | None = None,
    ) -> ActionResult:
        """Drop every failed job that matches, or a queue's, or the newest `limit` of them; returns how many.

        Args:
            queue: only this queue's.
            limit: jobs at the most; all if None.
            where: only those that match.
            token: under which `restore` finds them for a day (see `new_token`); None drops them for good.
        """
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
        """Drop every failed job for good, or a queue's, or those that failed longer ago; returns how many.

        Args:
            queue: only this queue's.
            older_than_s: seconds, by the host's clock; all if None.
        """
        before_us = None if older_than_s is None else SystemClock().wall_us() - round(older_than_s * 1e6)
        count = sum(until_none(partial(store.flush, queue=queue, before_us=before_us)) for store in self._stores(queue))
        return ActionResult(matched=count, changed=count)

    def prune(self, view: str, older_than_s: float, *, dry_run: bool = False) -> ActionResult:
        """Drop what ended so long ago.

        Args:
            view: `failed`, `completed` or `cancelled`: how it ended.
            older_than_s: seconds, by the host's clock.
            dry_run: only count.

        Returns:
            How many were dropped, or would be.
        """
        before_us = SystemClock().wall_us() - round(older_than_s * 1e6)
        if not dry_run:
            flush = [partial(store.flush, before_us=before_us, view=view) for store in self._stores()]
            count = sum(map(until_none, flush))
            return ActionResult(matched=count, changed=count)
        return self.preview(parse(f"ended<{instant(before_us).isoformat()}"), [view])

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> ActionResult:
        """Cancel jobs: those that wait end here, those that run are told.

        Args:
            ids: of the jobs.
            hard: interrupt those that run, as their timeout would.

        Returns:
            How many ended here; `told` names those that run, `failed` says why of the rest.
        """
        operating = Operating(self._manager)
        result = self._each(ids, lambda store, some: operating.cancel(store, some, hard=hard))
        states = {job_id: self._state(job_id) for job_id, _ in result.failed}
        told = tuple(job_id for job_id, state in states.items() if state is JobState.PROCESSING)
        failed = tuple(
            (job_id, f"it is {state} already" if state else "no such job")
            for job_id, state in states.items()
            if job_id not in told
        )
        return msgspec.structs.replace(result, told=told, failed=failed)

    def cancel_all(self, where: Filter, limit: int | None = None, *, hard: bool = False) -> ActionResult:
        """Cancel every job that waits or runs and matches; see `cancel`.

        Args:
            where: which ones.
            limit: the first so many at the most; all if None.
            hard: interrupt those that run, as their timeout would.

        Returns:
            How many matched and how many ended here; `told` names those that run.
        """
        selection = self._select(where, CANCELLABLE)
        ids = (found.job.id for found in islice(selection, limit))
        results = [self.cancel(piece, hard=hard) for piece in pieces(ids)]
        return ActionResult(  # who ended meanwhile is no failure
            matched=sum(result.matched for result in results),
            changed=sum(result.changed for result in results),
            told=tuple(job_id for result in results for job_id in result.told),
            scanned_limit=selection.scanned_limit,
        )

    def rotations(self) -> list[Rotation]:
        """Make ready to seal anew, under the keys in force, what each connection holds; returns one for each.

        Raises:
            ConfigurationError: a connection has no key.
        """
        names = [self._connection] if self._connection else self._manager.connections_in_use()
        return [Rotation(self._manager, name) for name in names]

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

    def pieces_of(self, where: Filter, views: Sequence[str]) -> Iterator[list[str]]:
        """The ids of the jobs of these states that match, in pieces, so that who acts on them can stop in between."""
        return pieces(job_id for _, job_id in _once(self._select(where, views)))

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
