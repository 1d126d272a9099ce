"""`qctl jobs`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl import output
from qctl.commands.bulk import elsewhere
from qctl.commands.choosing import require_queues
from qctl.commands.job_items import JOB_COLUMNS, item_of
from qctl.commands.values import split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.snapshots import JobSnapshot

VIEWS = ("processing", "retrying", "pending", "delayed", "failed", "completed", "cancelled")
EXAMPLES = (
    "qctl jobs --state processing",
    "qctl jobs --queue emails --limit 10 --json",
    "qctl jobs --state failed -o name | qctl retry -",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)


def run(
    ctx: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Only jobs in this state; may be repeated.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Only this queue's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at the most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
    ] = None,
) -> None:
    """List jobs by state.

    States: pending, delayed, processing, retrying, completed, failed, cancelled. Without --state all of them:
    those that run first, then those that wait, then those that ended; newest first in each.
    """
    call = Invocation.of(ctx)
    views = _views(split(state))
    jobs, next_cursor = _pages(call, views, queue, cursor, limit)
    if queue is not None and not jobs:
        require_queues(call, [queue])
    items = [item_of(job) for job in jobs]
    report = output.Report(
        schema="qctl.jobs/1",
        data={"jobs": items},
        items=items,
        item_schema="qctl.job/1",
        columns=JOB_COLUMNS,
        empty="no jobs" if not state else f"no {' or '.join(split(state))} jobs",
        backend=call.backend(),
        next_cursor=next_cursor,
        warnings=elsewhere(call, views, queue, cursor),
    )
    output.show(call, report)


def _views(states: list[str]) -> list[str]:
    for state in states:
        if state not in VIEWS:
            raise WrongUsage(f"no state {state!r}", hint=f"states: {', '.join(sorted(VIEWS))}")
    return [view for view in VIEWS if view in states] or list(VIEWS)


def _pages(
    call: Invocation, views: list[str], queue: str | None, cursor: str | None, limit: int
) -> "tuple[Sequence[JobSnapshot], str | None]":
    """Fill one page from several views; its cursor says in which of them, and where there, it ended."""
    view, _, inner = (cursor or f"{views[0]}:").partition(":")
    if view not in views:
        raise WrongUsage(
            f"no cursor of this list: {cursor!r}", hint="give next_cursor of the page before, with its --state"
        )
    jobs: list[JobSnapshot] = []
    for current in views[views.index(view) :]:
        if len(jobs) == limit:
            return jobs, f"{current}:"
        page = call.monitor.jobs(
            current, queue=queue, cursor=inner or None, limit=limit - len(jobs), connection=call.flags.connection
        )
        jobs += page.jobs
        inner = ""
        if page.next_cursor:
            return jobs, f"{current}:{page.next_cursor}"
    return jobs, None
