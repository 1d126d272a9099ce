"""`qctl tail`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.selecting import Queue, Where, filter_of, require_known
from qctl.commands.values import ago, seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.live import SHORTEST_S, Patience
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.tail import JobEvent, Tail

EXAMPLES = (
    "qctl tail",
    "qctl tail --queue emails --event failed,retrying",
    "qctl tail --since 10m --where 'job:Import*'",
    "qctl tail --event failed | jq -r .error",
    "qctl tail --once --since 1h --json",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)
_COLORS = {"started": "36", "retrying": "33", "completed": "32", "failed": "31", "cancelled": "2"}
_BEFORE_S, _PAGE = 600.0, 100
"""Of --once: how far it looks back, and how many events it tells."""
_COLUMNS = (
    Column("AT", "at", human=fmt.local_time, whole=True),
    Column("EVENT", "event", whole=True),
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("QUEUE", "queue"),
    Column("ATTEMPT", "attempt", right=True),
    Column("ERROR", "error"),
)


def run(
    ctx: typer.Context,
    queue: Queue = None,
    where: Where = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", metavar="EVENT,...", help="Only these: failed, retrying, ...")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Begin with what happened since: 10m, or an instant.")
    ] = None,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="How often to look.")] = "1s",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="End after so many events.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", hidden=True)] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Tell the newest of the last 10 minutes, or --since; end.")
    ] = False,
) -> None:
    """Follow what happens to jobs, as it happens, until Ctrl-C.

    A line for each event on a terminal, a line of JSON elsewhere: dispatched, started, retrying, completed, failed
    and cancelled. It looks into the store every second; nothing is paid by those who run the jobs.
    """
    from qcore.monitor.tail import Tail

    del follow  # it does, unless by --once
    call = Invocation.of(ctx)
    wanted = _wanted(event)
    pause_s = max(SHORTEST_S, seconds("--every", every) or 0.0)
    since_s = None if since is None else ago("--since", since)
    require_known(call, queue)
    if once and since_s is None:
        since_s = _BEFORE_S
    began = None if since_s is None else datetime.now(UTC) - timedelta(seconds=since_s)
    tail = Tail(call.manager, filter_of(where, queue=queue), connection=call.flags.connection, since=began)
    if once:
        _print_once(call, tail, wanted, limit or _PAGE)
        return
    _follow(call, tail, wanted, pause_s, limit)


def _print_once(call: Invocation, tail: "Tail", wanted: frozenset[str], limit: int) -> None:
    found = [one for one in tail.look() if one.what in wanted]
    items = [{"schema": "qctl.event/1", **_item_of(one)} for one in found[-limit:]]
    report = output.Report(
        schema="qctl.events/1",
        data={"events": items, "skipped": tail.has_skipped or len(found) > limit},
        items=items,
        item_schema="qctl.event/1",
        columns=_COLUMNS,
        empty="nothing happened",
        backend=call.backend(),
    )
    output.show(call, report)


def _wanted(events: list[str] | None) -> frozenset[str]:
    from qcore.monitor.tail import Happening

    known = [str(one) for one in Happening]
    asked = split(events) or known
    for name in asked:
        if name not in known:
            raise WrongUsage(f"--event: {name!r} is none of {', '.join(known)}")
    return frozenset(asked)


def _follow(call: Invocation, tail: "Tail", wanted: frozenset[str], pause_s: float, limit: int | None) -> None:
    """Look until Ctrl-C, or until so many events were told."""
    patience, left = Patience(call, is_answered_first=True), limit
    while True:
        found = [one for one in patience.look(tail.look) or () if one.what in wanted][:left]
        if tail.has_skipped:
            output.note(call, "warning: more happens than is looked at: narrow it with --queue, or look more often")
        _tell(call, found)
        left = None if left is None else left - len(found)
        if left == 0:
            return
        time.sleep(pause_s)


def _tell(call: Invocation, events: "Sequence[JobEvent]") -> None:
    items = [_item_of(one) for one in events]
    asked = call.flags.output
    if call.flags.format is None and (asked in {"json", "ndjson"} or (asked is None and not output.is_terminal())):
        for item in items:
            output.write(output.encode({"schema": "qctl.event/1", **item}) + "\n")
    elif output.format_of(call) == "table":
        for item in items:
            output.write(_line(item, is_colored=output.wants_color(call)) + "\n")
    elif items:
        output.show(call, output.Report(schema="qctl.tail/1", data={}, items=items, columns=_COLUMNS))


def _item_of(event: "JobEvent") -> dict[str, Any]:
    job = event.job
    return {
        "at": event.at,
        "event": str(event.what),
        "id": job.id,
        "job": job.job,
        "name": job.name,
        "queue": job.queue,
        "connection": job.connection,
        "attempt": event.attempt,
        "runtime_s": job.runtime_s if event.at == job.ended_at else None,
        "worker": job.worker if event.attempt else None,
        "tags": list(job.tags),
        "error": event.error,
    }


def _line(item: dict[str, Any], *, is_colored: bool) -> str:
    word = f"{item['event'].upper():<10}"
    color = _COLORS.get(item["event"])
    if is_colored and color is not None:
        word = f"\x1b[{color}m{word}\x1b[0m"
    runtime = "" if item["runtime_s"] is None else fmt.duration(item["runtime_s"])
    again = f" (try {item['attempt']})" if item["attempt"] > 1 else ""
    told = f"{item['at'].astimezone():%H:%M:%S}  {word}{runtime:>8}  {fmt.printable(item['name'])}{again}"
    error = f"  {fmt.printable(item['error'])}" if item["error"] else ""
    return f"{told}  {fmt.printable(item['queue'])}  {item['id']}{error}"
