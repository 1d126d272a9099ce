"""`qctl stats`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_queues
from qctl.commands.values import split
from qctl.context import Invocation
from qctl.exits import Exit
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.snapshots import BackendSnapshot, QueueSnapshot, StatsSnapshot

EXAMPLES = ("qctl stats", "qctl stats emails reports", "qctl stats --json | jq .data.totals.pending")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)
_COUNTS = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")


def _count(title: str, key: str, style: str = "") -> Column:
    return Column(title, key, human=fmt.count, right=True, style=lambda number: style if number else "dim")


_COLUMNS = (
    Column("QUEUE", "name"),
    Column("STATE", "paused", human=lambda paused: "paused" if paused else "active", style=lambda p: "yellow" * p),
    _count("PENDING", "pending"),
    _count("DELAYED", "delayed"),
    _count("RUN", "processing", "cyan"),
    _count("RETRY", "retrying", "yellow"),
    _count("DONE", "completed", "green"),
    _count("FAILED", "failed", "red"),
    Column("OLDEST", "oldest_pending_s", human=fmt.duration, right=True),
)


def run(
    ctx: typer.Context,
    queues: Annotated[list[str] | None, typer.Argument(metavar="[QUEUE]...", help="Only these.")] = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", metavar="QUEUE", help="Only this one.")] = None,
) -> None:
    """Show how many jobs are where.

    DONE counts since the store was made; OLDEST is how long the job that waits longest has been due.
    """
    call = Invocation.of(ctx)
    wanted = split([*(queues or ()), *(queue or ())])
    found = _ask(call, wanted)
    seen = {one.name for stats in found for one in stats.queues}
    require_queues(call, [name for name in wanted if name not in seen])
    items = [_item(one) for stats in found for one in stats.queues]
    items += [_unused(call, name) for name in wanted if name not in seen]
    backend = found[0].backend
    report = output.Report(
        schema="qctl.stats/1",
        data={"totals": {name: sum(item[name] for item in items) for name in _COUNTS}, "queues": items},
        items=items,
        item_schema="qctl.stats.queue/1",
        columns=_COLUMNS,
        name="name",
        headline=f"{backend.driver}  {backend.url}  {backend.latency_ms:.2f} ms\n",
        empty="no queues yet: qctl dispatch module:Class sends a first job",
        backend=_backend(backend),
        warnings=[warning for stats in found for warning in stats.warnings],
    )
    output.show(call, report)


def _ask(call: Invocation, wanted: list[str]) -> "list[StatsSnapshot]":
    """Ask the connections that hold the queues: those wanted, or the one in force and those that code names."""
    if wanted:
        groups: dict[str, list[str]] = {}
        for name in wanted:
            groups.setdefault(call.connection_of(name).name, []).append(name)
        return [call.monitor.stats(names, connection) for connection, names in groups.items()]
    return [call.monitor.stats(None, connection) for connection in call.connections_in_use()]


def _backend(backend: "BackendSnapshot") -> dict[str, Any]:
    return {
        "connection": backend.connection,
        "driver": backend.driver,
        "url": backend.url,
        "latency_ms": backend.latency_ms,
    }


def _unused(call: Invocation, name: str) -> dict[str, Any]:
    """A queue that may be used but was not yet."""
    connection = call.connection_of(name)
    nothing = {"oldest_pending_s": None, "paused": False, "paused_until": None, "pause_reason": None, "max_jobs": None}
    zero = dict.fromkeys((*_COUNTS, "workers"), 0)
    return {"name": name, "connection": connection.name, "driver": connection.driver} | zero | nothing


def _item(queue: "QueueSnapshot") -> dict[str, Any]:
    return {
        "name": queue.name,
        "connection": queue.connection,
        "driver": queue.driver,
        **{name: getattr(queue, name) for name in _COUNTS},
        "oldest_pending_s": queue.oldest_pending_s,
        "paused": queue.paused,
        "paused_until": queue.paused_until,
        "pause_reason": queue.pause_reason,
        "max_jobs": queue.max_jobs,
        "workers": queue.workers,
    }
