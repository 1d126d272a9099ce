"""What the bulk verbs share: counting before, asking, acting, and telling what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.errors import JobNotFound
from qcore.states import JobState
from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import confirm
from qctl.exits import Exit, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from qcore.monitor.actions import ActionResult
    from qctl.context import Invocation

_SHOWN = 10
_SAMPLE = 3
_PAGE = 1000


def retry_all(call: Invocation, queue: str | None, limit: int | None, *, dry_run: bool) -> Exit:
    """Retry every failed job, or a queue's, or the newest `limit`; never asks."""
    if dry_run:
        return tell(call, "qctl.retry/1", "retried", would_change(count_failed(call, queue, limit)))
    return tell(call, "qctl.retry/1", "retried", call.actions.retry_all(queue, limit))


def forget_all(call: Invocation, queue: str | None, limit: int | None, *, dry_run: bool) -> Exit:
    """Forget every failed job, or a queue's, or the newest `limit`, once that is confirmed."""
    number = count_failed(call, queue, limit)
    if dry_run:
        return tell(call, "qctl.forget/1", "forgotten", would_change(number))
    confirm(call, f"drop {fmt.plural(number, 'failed job')} {of_queue(queue)}", sample_of(call, "failed", queue))
    return tell(call, "qctl.forget/1", "forgotten", call.actions.forget_all(queue, limit))


def count_failed(call: Invocation, queue: str | None, limit: int | None = None, before: datetime | None = None) -> int:
    """Count failed jobs: of a queue or all, the newest `limit` at the most, or those that failed before an instant."""
    names = call.connections_for(queue)
    if before is not None:
        return sum(_count_before(call, queue, before, name) for name in names)
    wanted = [queue] if queue else None
    number = sum(call.monitor.stats(wanted, connection=name).totals.failed for name in names)
    return number if limit is None else min(number, limit)


def _count_before(call: Invocation, queue: str | None, before: datetime, connection: str) -> int:
    number, cursor = 0, None
    while True:
        page = call.monitor.jobs("failed", queue=queue, cursor=cursor, limit=_PAGE, connection=connection)
        number += sum(job.ended_at is not None and job.ended_at < before for job in page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return number


def count_given(call: Invocation, ids: Sequence[str]) -> ActionResult:
    """The result of a dry run over ids: which of them are failed jobs."""
    from qcore.monitor.actions import ActionResult

    missing = tuple((job_id, "no failed job") for job_id in ids if not _is_failed(call, job_id))
    return ActionResult(matched=len(ids) - len(missing), changed=0, failed=missing, dry_run=True)


def _is_failed(call: Invocation, job_id: str) -> bool:
    try:
        return call.monitor.job(job_id, call.flags.connection).state is JobState.FAILED
    except JobNotFound:
        return False


def total_of(results: Sequence[ActionResult]) -> ActionResult:
    """Several results as one."""
    from qcore.monitor.actions import ActionResult

    return ActionResult(
        matched=sum(result.matched for result in results),
        changed=sum(result.changed for result in results),
        failed=tuple(one for result in results for one in result.failed),
        dry_run=any(result.dry_run for result in results),
    )


def sample_of(call: Invocation, view: str, queue: str | None) -> list[str]:
    """A line for each of a few jobs of a view, to show before they are lost."""
    names = call.connections_for(queue)
    pages = [call.monitor.jobs(view, queue=queue, limit=_SAMPLE, connection=name) for name in names]
    jobs = [job for page in pages for job in page.jobs]
    return [f"{job.id}  {job.name}  {job.queue}" for job in jobs[:_SAMPLE]]


def elsewhere(call: Invocation, views: Sequence[str], queue: str | None, cursor: str | None) -> Sequence[str]:
    """Warnings beside the first page of a list of the default connection: what other connections hold."""
    if call.flags.connection or queue is not None or cursor is not None:
        return ()
    return call.monitor.elsewhere(views)


def of_queue(queue: str | None) -> str:
    """The words for where: `of every queue`, or `of queue emails`."""
    return f"of queue {queue}" if queue else "of every queue"


def would_change(number: int) -> ActionResult:
    """The result of a dry run."""
    from qcore.monitor.actions import ActionResult

    return ActionResult(matched=number, changed=0, failed=(), dry_run=True)


def tell(call: Invocation, schema: str, done: str, result: ActionResult, noun: str = "job") -> Exit:
    """Print what an action did.

    Args:
        call: of the command.
        schema: of the JSON.
        done: the verb in the past tense, `retried`.
        result: what the action says.
        noun: what was counted.

    Returns:
        0, or 1 where it failed for some.

    Raises:
        NotFound: it was asked for jobs of which there is none.
    """
    reached = result.matched if result.dry_run else result.changed
    if result.failed and not reached:
        first_id, reason = result.failed[0]
        raise NotFound(f"job {first_id}: {reason}", hint="qctl failed lists what there is")
    data = {
        "matched": result.matched,
        "changed": result.changed,
        "failed": [{"id": job_id, "reason": reason} for job_id, reason in result.failed],
        "dry_run": result.dry_run,
    }
    sentence = f"{done} {fmt.plural(result.changed, noun)}"
    if result.dry_run:
        sentence = f"{fmt.plural(result.matched, noun)} would be {done}"
    report = output.Report(schema=schema, data=data, text=sentence, backend=call.backend(), warnings=reasons(result))
    output.show(call, report)
    return Exit.FAILED if result.failed else Exit.OK


def reasons(result: ActionResult) -> list[str]:
    """The warnings that say what was not changed, and why."""
    reasons = [f"{job_id}: {reason}" for job_id, reason in result.failed[:_SHOWN]]
    return reasons + ([f"and {len(result.failed) - _SHOWN:,} more"] if len(result.failed) > _SHOWN else [])
