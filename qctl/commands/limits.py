"""`qctl limits`."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcore.errors import ConfigurationError
from qcore.jobs.rate_limits import limit_of_queue
from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_queues, require_writable
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.snapshots import LimitSnapshot

EXAMPLES = (
    "qctl limits",
    "qctl limits --set emails=1000/1h",
    "qctl limits --lift emails",
    "qctl limits --json | jq '.data.limits[].left'",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
COLUMNS = (
    Column("LIMIT", "key"),
    Column("STRATEGY", "strategy"),
    Column("MAX", "max_attempts", right=True),
    Column("IN", "per_seconds", human=fmt.duration, right=True),
    Column("USED", "used", right=True),
    Column("LEFT", "left", right=True),
    Column("OPENS IN", "opens_in_s", human=fmt.duration, right=True),
)
_USUAL = "sliding_window"
_SET = re.compile(r"(?P<queue>.+)=(?P<most>\d+)/(?P<per>[^/]+)")


def run(
    ctx: typer.Context,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="QUEUE=MAX/TIME", help="Limit a queue: emails=1000/1h; may be repeated."),
    ] = None,
    lift: Annotated[
        list[str] | None, typer.Option("--lift", metavar="QUEUE", help="Let a queue have no limit; may be repeated.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="For --set: sliding_window, or another.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at the most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
    ] = None,
) -> None:
    """List the limits by which jobs start, and what is left of each.

    A limit of jobs is listed while its window lasts. --set and --lift overrule what a queue's definition says, for
    every worker on every host, within a second. Strategies are sliding_window (the default), fixed_window,
    token_bucket and leaky_bucket.
    """
    call = Invocation.of(ctx)
    if strategy and not set_:
        raise WrongUsage("--strategy is for --set")
    if set_ or lift:
        require_writable(call)
        _change(call, [_parsed(text, strategy) for text in set_ or []], lift or [], strategy or _USUAL)
        return
    page = call.monitor.limits(cursor=cursor, limit=limit, connection=call.flags.connection)
    items = [_item_of(one) for one in page.limits]
    report = output.Report(
        schema="qctl.limits/1",
        data={"limits": items},
        items=items,
        item_schema="qctl.limit/1",
        columns=COLUMNS,
        name="key",
        empty="no limits",
        backend=call.backend(),
        next_cursor=page.next_cursor,
    )
    output.show(call, report)


def _parsed(text: str, strategy: str | None) -> tuple[str, int, float]:
    found = _SET.fullmatch(text)
    if found is None:
        raise WrongUsage(f"--set: {text!r} is no limit", hint="write --set emails=1000/1h: a queue, jobs, a time")
    queue, most, per_s = found["queue"], int(found["most"]), seconds("--set", found["per"]) or 0.0
    try:
        limit_of_queue(queue, most, per_s, strategy or _USUAL)
    except ConfigurationError as error:
        raise WrongUsage(f"--set {text}: {error.message}", hint=error.hint) from None
    return queue, most, per_s


def _change(call: Invocation, limits: list[tuple[str, int, float]], lift: list[str], strategy: str) -> None:
    queues = [queue for queue, _, _ in limits]
    if both := set(queues) & set(lift):
        raise WrongUsage(f"--set and --lift: both name {min(both)!r}")
    require_queues(call, [*queues, *lift])
    for queue, most, per_s in limits:
        call.actions.limit(queue, most, per_s, strategy)
    for queue in lift:
        call.actions.limit(queue, None)
    said = [f"limited {queue} to {most:,} in {fmt.duration(per_s)}" for queue, most, per_s in limits]
    data = {
        "set": [
            {"queue": queue, "max_attempts": most, "per_seconds": per_s, "strategy": strategy}
            for queue, most, per_s in limits
        ],
        "lifted": lift,
    }
    text = "\n".join([*said, *(f"lifted the limit of {queue}" for queue in lift)])
    output.show(call, output.Report(schema="qctl.limits.set/1", data=data, text=text, backend=call.backend()))


def _item_of(limit: "LimitSnapshot") -> dict[str, Any]:
    return {
        "key": limit.key,
        "connection": limit.connection,
        "strategy": limit.strategy,
        "max_attempts": limit.max_attempts,
        "per_seconds": limit.per_seconds,
        "used": limit.used,
        "left": limit.left,
        "opens_in_s": limit.opens_in_s,
    }
