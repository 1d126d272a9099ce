"""`qctl failed`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl import output
from qctl.commands.bulk import elsewhere, forget_all, retry_all
from qctl.commands.choosing import require_queues, require_writable
from qctl.commands.job_items import FAILED_COLUMNS, item_of
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.snapshots import JobsPage

EXAMPLES = (
    "qctl failed",
    "qctl failed --queue emails --retry",
    "qctl failed --format '{id} {error}'",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)
_PAGE = 50


def run(
    ctx: typer.Context,
    queue: Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Only this queue's.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Put all that match back in their queues.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Drop all that match for good.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="How many at the most.")] = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --retry or --forget: only count.")] = False,
) -> Exit:
    """List failed jobs, or act on all that match.

    --retry and --forget act on everything that matches, whatever a page shows, or on the newest N with --limit N.
    --retry never asks.
    """
    call = Invocation.of(ctx)
    if retry and forget:
        raise WrongUsage("--retry and --forget exclude each other")
    if queue is not None:
        require_queues(call, [queue])
    if retry or forget:
        require_writable(call)
    if retry:
        return retry_all(call, queue, limit, dry_run=dry_run)
    if forget:
        return forget_all(call, queue, limit, dry_run=dry_run)
    connection = call.flags.connection
    page = call.monitor.jobs("failed", queue=queue, cursor=cursor, limit=limit or _PAGE, connection=connection)
    _list(call, page, elsewhere(call, ["failed"], queue, cursor))
    return Exit.OK


def _list(call: Invocation, page: "JobsPage", warnings: "Sequence[str]") -> None:
    items = [item_of(job) for job in page.jobs]
    report = output.Report(
        schema="qctl.failed/1",
        data={"jobs": items},
        items=items,
        item_schema="qctl.job/1",
        columns=FAILED_COLUMNS,
        empty="no failed jobs",
        backend=call.backend(),
        next_cursor=page.next_cursor,
        warnings=warnings,
    )
    output.show(call, report)
