"""`qctl stats`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import live, output
from qctl.commands import completions
from qctl.commands.choosing import require_queues
from qctl.commands.values import parts_of, seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.snapshots import BackendSnapshot, QueueSnapshot, StatsSnapshot

EXAMPLES = (
    "qctl stats",
    "qctl stats emails reports --watch",
    "qctl stats --json | jq .data.totals.pending",
    "qctl stats --fail-over pending=1000,wait=60s",
)
BARE = live.EVERY
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.THRESHOLD)
_BOUNDED = ("pending", "delayed", "processing", "retrying", "failed")
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
    queues: Annotated[
        list[str] | None, typer.Argument(metavar="[QUEUE]...", help="Only these.", autocompletion=completions.queues)
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="QUEUE", help="Only this one.", autocompletion=completions.queues),
    ] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", "-w", metavar="TIME", help="Look again, every 2s; Ctrl-C ends it.")
    ] = None,
    fail_over: Annotated[
        str | None,
        typer.Option("--fail-over", metavar="WHAT=MOST,...", help="Exit with 20 where a queue is above: pending=1000."),
    ] = None,
) -> Exit:
    """Show how many jobs are where.

    DONE counts since the store was made; OLDEST is how long the job that waits longest has been due. --fail-over
    knows pending, delayed, processing, retrying and failed, and wait: how long that job may have been due.
    """
    call = Invocation.of(ctx)
    wanted = split([*(queues or ()), *(queue or ())])
    bounds = _bounds(fail_over)
    every_s = seconds("--watch", watch)
    if every_s is not None:
        live.watch(call, every_s, lambda: (_report(call, wanted), False))
    report = _report(call, wanted)
    output.show(call, report)
    above = [f"{item['name']}: {words}" for item in report.items for words in _above(item, bounds)]
    for words in above:
        output.note(call, words, even_quiet=True)
    return Exit.THRESHOLD if above else Exit.OK


def _bounds(text: str | None) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for part in parts_of(text or ""):
        name, _, most = part.partition("=")
        if name == "wait":
            bounds[name] = seconds("--fail-over wait", most) or 0.0
        elif name in _BOUNDED and most.isdigit():
            bounds[name] = int(most)
        else:
            hint = f"write {', '.join(f'{one}=1000' for one in _BOUNDED)} or wait=60s"
            raise WrongUsage(f"--fail-over: {part!r} is no bound", hint=hint)
    return bounds


def _above(item: Mapping[str, Any], bounds: dict[str, float]) -> Iterator[str]:
    for name, most in bounds.items():
        found = item["oldest_pending_s"] if name == "wait" else item[name]
        if found is not None and found > most:
            said = fmt.duration if name == "wait" else fmt.count
            yield f"{name} is {said(found)}, above {said(most)}"  # type: ignore[arg-type]  # a count is whole


def _report(call: Invocation, wanted: list[str]) -> output.Report:
    found = _ask(call, wanted)
    seen = {one.name for stats in found for one in stats.queues}
    require_queues(call, [name for name in wanted if name not in seen])
    items = [_item(one) for stats in found for one in stats.queues]
    items += [_unused(call, name) for name in wanted if name not in seen]
    backend = found[0].backend
    return output.Report(
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
    nothing |= {"throughput_per_min": None, "clears_in_s": None}
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
        "throughput_per_min": queue.throughput_per_min,
        "clears_in_s": queue.clears_in_s,
    }
