"""`qctl failed`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl import output
from qctl.commands.bulk import FAILED, elsewhere, forget_all, require_some_state, retry_all, token_unless
from qctl.commands.choosing import require_writable
from qctl.commands.grouping import show_groups
from qctl.commands.job_items import FAILED_COLUMNS, item_of
from qctl.commands.selecting import (
    Class,
    Cursor,
    Limit,
    Queue,
    Search,
    Since,
    Tag,
    Where,
    filter_of,
    limit_note,
    page_of,
    require_known,
)
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter

EXAMPLES = (
    "qctl failed",
    "qctl failed --queue emails --retry",
    "qctl failed --since 24h --group-by exception",
    "qctl failed --where 'error:~Timeout job:Send*' --fail-if-any",
    "qctl failed --format '{id} {error}'",
)
EXITS = (
    Exit.FAILED,
    Exit.USAGE,
    Exit.NOT_FOUND,
    Exit.UNREACHABLE,
    Exit.CONFIGURATION,
    Exit.UNCONFIRMED,
    Exit.CONFLICT,
    Exit.THRESHOLD,
)
_PAGE = 50


def run(  # noqa: PLR0913, PLR0917  each flag is a parameter
    ctx: typer.Context,
    queue: Queue = None,
    class_: Class = None,
    tag: Tag = None,
    since: Since = None,
    search: Search = None,
    where: Where = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", metavar="WHAT", help="Count them by exception, fingerprint, job or queue."),
    ] = None,
    fail_if_any: Annotated[bool, typer.Option("--fail-if-any", help="Exit 20 where there are some.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Put all that match back in their queues.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Drop all that match; see qctl restore.")] = False,
    limit: Limit = None,
    cursor: Cursor = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --retry or --forget: only count.")] = False,
) -> Exit:
    """List failed jobs, or act on all that match.

    --retry and --forget act on everything that matches, whatever a page shows, or on the newest N with --limit N.
    --retry never asks.
    """
    call = Invocation.of(ctx)
    _require_one(retry=retry, forget=forget, group_by=group_by is not None, fail_if_any=fail_if_any)
    chosen = filter_of(where, queue=queue, classes=class_, tags=tag, since=since, search=search)
    require_some_state(chosen, FAILED)
    if retry or forget:
        require_writable(call)
    require_known(call, queue)
    if retry or forget:
        if retry:
            return retry_all(call, chosen, limit, dry_run=dry_run)
        return forget_all(call, chosen, limit, dry_run=dry_run, token=token_unless(for_good=False))
    if group_by is not None:
        has_some = show_groups(call, chosen, group_by, limit or _PAGE)
    else:
        has_some = _list(call, chosen, limit or _PAGE, cursor)
    return Exit.THRESHOLD if has_some and fail_if_any else Exit.OK


def _require_one(*, retry: bool, forget: bool, group_by: bool, fail_if_any: bool) -> None:
    if retry and forget:
        raise WrongUsage("--retry and --forget exclude each other")
    if (retry or forget) and (group_by or fail_if_any):
        shown, done = "--group-by" if group_by else "--fail-if-any", "--retry" if retry else "--forget"
        raise WrongUsage(f"{done} and {shown} exclude each other", hint="one call lists, another acts")


def _list(call: Invocation, chosen: "Filter", limit: int, cursor: str | None) -> bool:
    """Show one page; whether there is anything on it."""
    page = page_of(call, chosen, FAILED, limit, cursor)
    items = [item_of(job) for job in page.jobs]
    report = output.Report(
        schema="qctl.failed/1",
        data={"jobs": items, "scanned_limit": page.scanned_limit},
        items=items,
        item_schema="qctl.job/1",
        columns=FAILED_COLUMNS,
        empty="no failed jobs" + (" that match" if chosen else ""),
        backend=call.backend(),
        next_cursor=page.next_cursor,
        warnings=[
            *elsewhere(call, FAILED, chosen, cursor),
            *limit_note(page.scanned_limit, how=", or go on with --cursor"),
        ],
    )
    output.show(call, report)
    return bool(items)
