"""`qctl jobs`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl import output
from qctl.commands import completions
from qctl.commands.bulk import elsewhere
from qctl.commands.job_items import JOB_COLUMNS, item_of
from qctl.commands.selecting import Cursor, Queue, Tag, Where, filter_of, limit_note, page_of, require_known
from qctl.commands.values import split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter

VIEWS = ("processing", "retrying", "pending", "delayed", "failed", "completed", "cancelled")
EXAMPLES = (
    "qctl jobs --state processing",
    "qctl jobs --queue emails --limit 10 --json",
    "qctl jobs --where 'runtime>2s -job:Import* args.user.id:42'",
    "qctl jobs --state failed -o name | qctl retry -",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)


def run(
    ctx: typer.Context,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only jobs in this state; may be repeated.",
            autocompletion=completions.one_of(VIEWS),
        ),
    ] = None,
    queue: Queue = None,
    tag: Tag = None,
    where: Where = None,
    silenced: Annotated[
        bool, typer.Option("--silenced", help="Only those that completed and are silenced, else left out.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at the most.")] = 50,
    cursor: Cursor = None,
) -> None:
    """List jobs by state.

    States: pending, delayed, processing, retrying, completed, failed, cancelled. Without --state all of them:
    those that run first, then those that wait, then those that ended; newest first in each.
    """
    call = Invocation.of(ctx)
    views = _views(split(state))
    chosen = filter_of(where, queue=queue, tags=tag) & _heard(call, silenced=silenced)
    page = page_of(call, chosen, views, limit, cursor)
    if not page.jobs:
        require_known(call, queue)
    items = [item_of(job) for job in page.jobs]
    report = output.Report(
        schema="qctl.jobs/1",
        data={"jobs": items, "scanned_limit": page.scanned_limit},
        items=items,
        item_schema="qctl.job/1",
        columns=JOB_COLUMNS,
        empty=_nothing(split(state), is_filtered=where is not None or tag is not None),
        backend=call.backend(),
        next_cursor=page.next_cursor,
        warnings=[
            *elsewhere(call, views, chosen, cursor),
            *limit_note(page.scanned_limit, how=", or go on with --cursor"),
        ],
    )
    output.show(call, report)


def _heard(call: Invocation, *, silenced: bool) -> "Filter":
    """What leaves silenced jobs out, or them alone; nothing where the settings silence none."""
    from qcore.filters import Filter, parse

    if silenced:
        return parse("silenced:true")
    is_any = call.settings.silenced or call.settings.silenced_tags
    return parse("-silenced:true") if is_any else Filter()


def _views(states: list[str]) -> list[str]:
    for state in states:
        if state not in VIEWS:
            raise WrongUsage(f"no state {state!r}", hint=f"states: {', '.join(sorted(VIEWS))}")
    return [view for view in VIEWS if view in states] or list(VIEWS)


def _nothing(states: list[str], *, is_filtered: bool) -> str:
    named = f"no {' or '.join(states)} jobs" if states else "no jobs"
    return f"{named} that match" if is_filtered else named
