"""What the bulk verbs share: counting before, asking, acting, and telling what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qcore.errors import JobNotFound
from qcore.states import JobState
from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import confirm
from qctl.commands.job_items import item_of
from qctl.commands.selecting import limit_note
from qctl.exits import Exit, NotFound, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from qcore.filters import Filter
    from qcore.monitor import ActionResult
    from qcore.monitor.moving import Again
    from qcore.monitor.snapshots import JobSnapshot
    from qctl.context import Invocation

FAILED = ("failed",)
NOTHING: Mapping[str, Any] = {}
_LISTED_BY = dict.fromkeys(("retried", "forgotten"), "qctl failed lists what there is")
_SHOWN = 10
_SAMPLE = 3
_PAGE = 1000


def retry_all(
    call: Invocation, chosen: Filter, limit: int | None, *, dry_run: bool, again: Again | None = None
) -> Exit:
    """Retry every failed job that matches, or the newest `limit`; never asks."""
    from qcore.monitor.moving import AT_ONCE

    require_some_state(chosen, FAILED)
    if dry_run:
        return tell_selected(call, "qctl.retry/1", "retried", preview(call, chosen, FAILED, limit))
    result = call.actions.retry_all(limit=limit, where=chosen, again=again or AT_ONCE)
    return tell_selected(call, "qctl.retry/1", "retried", result)


def forget_all(call: Invocation, chosen: Filter, limit: int | None, *, dry_run: bool, token: str | None = None) -> Exit:
    """Forget every failed job that matches, or the newest `limit`, once that is confirmed."""
    require_some_state(chosen, FAILED)
    found = preview(call, chosen, FAILED, limit, is_shown=dry_run)
    if dry_run:
        return tell_selected(call, "qctl.forget/1", "forgotten", found)
    confirm(call, f"drop {fmt.plural(found.matched, 'failed job')} {that_match(chosen)}", lines_of(found.sample))
    result = call.actions.forget_all(limit=limit, where=chosen, token=token)
    return tell_selected(call, "qctl.forget/1", "forgotten", result, undo_by(token, result))


def require_some_state(chosen: Filter, views: Sequence[str]) -> None:
    """See to it that a filter leaves a state in which jobs can be acted on.

    Raises:
        WrongUsage: it does not.
    """
    if not chosen.states & set(views):
        raise WrongUsage(f"this acts on jobs that are {' or '.join(views)}, and the filter leaves none of these")


def preview(
    call: Invocation, chosen: Filter, views: Sequence[str], limit: int | None, *, is_shown: bool = True
) -> ActionResult:
    """Count what would be acted on; a few of it are shown beside the data."""
    found = call.actions.preview(chosen, views, limit)
    for line in lines_of(found.sample) if is_shown and output.format_of(call) != "json" else ():
        output.note(call, f"  {line}")
    return found


def lines_of(jobs: Sequence[JobSnapshot]) -> list[str]:
    """A line for each job, to show before it is lost."""
    return [f"{job.id}  {job.name}  {job.queue}" for job in jobs]


def that_match(chosen: Filter) -> str:
    """The words for which: `of every queue`, `of queue emails`, or `that match tag:eu`."""
    if not chosen:
        return of_queue(None)
    (first, *more) = chosen.terms
    if not more and first.field == "queue" and chosen.queues and len(chosen.queues) == 1:
        return of_queue(next(iter(chosen.queues)))
    return f"that match {chosen}"


def count_failed(call: Invocation, queue: str | None, before: datetime | None = None) -> int:
    """Count failed jobs: of a queue or all, or those that failed before an instant."""
    names = call.connections_for(queue)
    if before is not None:
        return sum(_count_before(call, queue, before, name) for name in names)
    wanted = [queue] if queue else None
    return sum(call.monitor.stats(wanted, connection=name).totals.failed for name in names)


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
    from qcore.monitor import ActionResult

    missing = tuple((job_id, "no failed job") for job_id in ids if not _is_failed(call, job_id))
    return ActionResult(matched=len(ids) - len(missing), changed=0, failed=missing, dry_run=True)


def _is_failed(call: Invocation, job_id: str) -> bool:
    try:
        return call.monitor.job(job_id, call.flags.connection).state is JobState.FAILED
    except JobNotFound:
        return False


def total_of(results: Sequence[ActionResult]) -> ActionResult:
    """Several results as one."""
    from qcore.monitor import ActionResult

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
    return lines_of(jobs[:_SAMPLE])


def elsewhere(call: Invocation, views: Sequence[str], chosen: Filter, cursor: str | None) -> Sequence[str]:
    """Warnings beside the first page of a list of the default connection: what other connections hold."""
    if call.flags.connection or chosen.queues is not None or cursor is not None:
        return ()
    return call.monitor.elsewhere(views)


def of_queue(queue: str | None) -> str:
    """The words for where: `of every queue`, or `of queue emails`."""
    return f"of queue {queue}" if queue else "of every queue"


def would_change(number: int) -> ActionResult:
    """The result of a dry run."""
    from qcore.monitor import ActionResult

    return ActionResult(matched=number, changed=0, failed=(), dry_run=True)


def token_unless(*, for_good: bool) -> str | None:
    """Under which token jobs are dropped; None where they are to be dropped for good."""
    from qcore.monitor.actions import new_token

    return None if for_good else new_token()


def undo_by(token: str | None, result: ActionResult) -> Mapping[str, Any]:
    """The field of the JSON that says by which token that can be undone; None where it cannot, or did nothing."""
    return {"token": token if result.changed else None}


def tell_selected(
    call: Invocation, schema: str, done: str, result: ActionResult, more: Mapping[str, Any] = NOTHING
) -> Exit:
    """Print what an action on selected jobs did, whether all were looked at, and of a dry run some that match."""
    more = {"scanned_limit": result.scanned_limit, **more}
    if result.dry_run:
        more["sample"] = [item_of(job) for job in result.sample]
    return tell(call, schema, done, result, more=more)


def tell(
    call: Invocation, schema: str, done: str, result: ActionResult, noun: str = "job", more: Mapping[str, Any] = NOTHING
) -> Exit:
    """Print what an action did.

    Args:
        call: of the command.
        schema: of the JSON.
        done: the verb in the past tense, `retried`.
        result: what the action says.
        noun: what was counted.
        more: fields of the JSON.

    Returns:
        0, or 1 where it failed for some.

    Raises:
        NotFound: it was asked for jobs of which there is none.
    """
    reached = result.matched if result.dry_run else result.changed
    if result.failed and not reached:
        first_id, reason = result.failed[0]
        raise NotFound(f"job {first_id}: {reason}", hint=_LISTED_BY.get(done, "qctl jobs lists what there is"))
    data = {
        "matched": result.matched,
        "changed": result.changed,
        "failed": failures_of(result),
        "dry_run": result.dry_run,
        **more,
    }
    sentence = f"{done} {fmt.plural(result.changed, noun)}"
    if result.dry_run:
        sentence = f"{fmt.plural(result.matched, noun)} would be {done}"
    report = output.Report(schema=schema, data=data, text=sentence, backend=call.backend(), warnings=reasons(result))
    output.show(call, report)
    if more.get("token"):
        output.note(call, f"to undo that within a day: qctl restore {more['token']}")
    return Exit.FAILED if result.failed else Exit.OK


def failures_of(result: ActionResult) -> list[dict[str, str]]:
    """What was not changed, and why, as JSON tells it."""
    return [{"id": job_id, "reason": reason} for job_id, reason in result.failed]


def reasons(result: ActionResult) -> list[str]:
    """The warnings that say what was not changed, and why, and whether something was not even looked at."""
    reasons = [f"{job_id}: {reason}" for job_id, reason in result.failed[:_SHOWN]]
    reasons += [f"and {len(result.failed) - _SHOWN:,} more"] if len(result.failed) > _SHOWN else []
    return reasons + limit_note(result.scanned_limit)
