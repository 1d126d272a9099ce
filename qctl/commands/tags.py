"""`qctl tags`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_writable
from qctl.commands.selecting import limit_note
from qctl.commands.values import split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.snapshots import TagSnapshot

EXAMPLES = (
    "qctl tags",
    "qctl tags 'customer:*' --limit 10",
    "qctl tags --monitor customer:42",
    "qctl tags --monitored --json",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_STATES = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
_COLUMNS = (
    Column("TAG", "tag"),
    Column("WATCHED", "monitored", human=lambda is_on: "●" if is_on else ""),
    *(
        Column(head, name, human=fmt.count, right=True)
        for head, name in (
            ("PENDING", "pending"),
            ("DELAYED", "delayed"),
            ("RUN", "processing"),
            ("RETRY", "retrying"),
            ("DONE", "completed"),
            ("FAILED", "failed"),
        )
    ),
)


def run(
    ctx: typer.Context,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Which; 'eu*' is a pattern.")] = None,
    monitored: Annotated[bool, typer.Option("--monitored", help="Only those that are monitored.")] = False,
    monitor: Annotated[
        list[str] | None, typer.Option("--monitor", metavar="TAG,...", help="Keep an eye on these.")
    ] = None,
    unmonitor: Annotated[
        list[str] | None, typer.Option("--unmonitor", metavar="TAG,...", help="No longer on these.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many at the most.")] = 50,
) -> None:
    """Count jobs by tag, or keep an eye on some tags.

    Monitored tags come first, also without jobs, then those with the most jobs. qctl jobs --where tag:TAG lists the
    jobs of one.
    """
    call = Invocation.of(ctx)
    if monitor or unmonitor:
        if tags or monitored or (monitor and unmonitor):
            raise WrongUsage("--monitor and --unmonitor stand alone", hint="one call changes, another lists")
        _mark(call, split(monitor or unmonitor), is_on=bool(monitor))
        return
    asked = [*split(tags), *(call.tags.monitored() if monitored else ())]
    if monitored and not asked:
        _show(call, [], scanned_limit=False)
        return
    page = call.tags.count(asked or None)
    _show(call, [_item_of(one) for one in page.tags[:limit]], scanned_limit=page.scanned_limit)


def _mark(call: Invocation, tags: list[str], *, is_on: bool) -> None:
    require_writable(call)
    changed = call.tags.monitor(tags, is_on=is_on)
    done = "monitored" if is_on else "no longer monitored"
    report = output.Report(
        schema="qctl.tags.monitor/1",
        data={"tags": tags, "monitored": is_on, "changed": changed},
        text=f"{done}: {fmt.plural(changed, 'tag')}",
        backend=call.backend(),
    )
    output.show(call, report)


def _show(call: Invocation, items: list[dict[str, Any]], *, scanned_limit: bool) -> None:
    report = output.Report(
        schema="qctl.tags/1",
        data={"tags": items, "scanned_limit": scanned_limit},
        items=items,
        item_schema="qctl.tag/1",
        columns=_COLUMNS,
        name="tag",
        empty="no tags",
        backend=call.backend(),
        warnings=limit_note(scanned_limit),
    )
    output.show(call, report)


def _item_of(tag: "TagSnapshot") -> dict[str, Any]:
    counts = {name: getattr(tag.totals, name) for name in _STATES}
    return {"tag": tag.tag, "monitored": tag.monitored, "jobs": sum(counts.values()), **counts}
