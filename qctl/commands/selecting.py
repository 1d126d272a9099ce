"""How commands select jobs: `--where` and the options that are short for it, all of one filter language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qctl.commands import completions
from qctl.commands.choosing import require_queues
from qctl.commands.values import ago, split
from qctl.exits import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.filters import Filter
    from qcore.monitor.snapshots import JobsPage
    from qctl.context import Invocation

Names = list[str] | None
Queue = Annotated[
    str | None, typer.Option("--queue", metavar="QUEUE", help="Only this queue's.", autocompletion=completions.queues)
]
Where = Annotated[str | None, typer.Option("--where", metavar="FILTER", help="Only what matches: qctl help filters.")]
Class = Annotated[Names, typer.Option("--class", metavar="JOB,...", help="Only of these classes, such as 'Send*'.")]
Tag = Annotated[Names, typer.Option("--tag", metavar="TAG,...", help="Only with one of these tags.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Only what failed since: 2h, or an instant.")
]
Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Only where this text stands.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="How many at the most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
ForGood = Annotated[bool, typer.Option("--for-good", help="Keep nothing by which it could be undone.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...|-", help="Which; - reads stdin, FIRST..LAST is a range.")
]

FailedIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...|-", help="Which; - reads stdin, FIRST..LAST is a range.", autocompletion=completions.failed
    ),
]


def filter_of(
    where: str | None = None,
    *,
    queue: str | None = None,
    classes: Names = None,
    tags: Names = None,
    since: str | None = None,
    search: str | None = None,
) -> Filter:
    """What all options together ask for: each of them must hold.

    Raises:
        FilterError: one cannot be read.
        WrongUsage: `since` is no time.
    """
    from qcore.filters import Filter, Term, Value, one_of, parse, words

    chosen = Filter() if queue is None else Filter((Term("queue", (Value((queue,)),)),))
    if classes:
        chosen &= one_of("job", split(classes))
    if tags:
        chosen &= one_of("tag", split(tags))
    if since is not None:
        chosen &= _since(since)
    if search is not None:
        chosen &= words(search)
    return chosen if where is None else chosen & parse(where)


def _since(text: str) -> Filter:
    from datetime import UTC, datetime, timedelta

    from qcore.filters import one_of

    try:
        at = datetime.now(UTC) - timedelta(seconds=ago("--since", text))
    except OverflowError:
        raise WrongUsage(f"--since: {text!r} is beyond any calendar") from None
    return one_of("ended", [at.isoformat()], op=">=")


def require_known(call: Invocation, queue: str | None) -> None:
    """See to it that a queue that was named is there; see `require_queues`."""
    if queue is not None:
        require_queues(call, [queue])


def page_of(call: Invocation, chosen: Filter, views: Sequence[str], limit: int, cursor: str | None) -> JobsPage:
    """One page of what is selected.

    Raises:
        WrongUsage: the cursor is none of this list.
    """
    selection = call.monitor.select(chosen, views=views, connection=call.flags.connection)
    try:
        return selection.page(limit, cursor)
    except ValueError:
        raise WrongUsage(
            f"no cursor of this list: {cursor!r}", hint="give next_cursor of the page before, with the same options"
        ) from None


def limit_note(is_reached: bool, *, how: str = "") -> list[str]:
    """The warning of an answer for which not all jobs were looked at."""
    if not is_reached:
        return []
    from qcore.monitor.selection import SCAN_MOST

    return [f"only the newest {SCAN_MOST:,} jobs were looked at: name states and queues to narrow it{how}"]
