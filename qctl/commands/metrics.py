"""`qctl metrics`."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.selecting import require_known
from qctl.commands.values import ago, seconds
from qctl.context import Invocation
from qctl.exits import Exit, NotFound, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.measured import MeasuredSnapshot, MetricsSnapshot, TimesSnapshot

EXAMPLES = (
    "qctl metrics",
    "qctl metrics --by queue --since 24h",
    "qctl metrics --job SendReceipt --json | jq .data.totals.runtime.p95_s",
    "qctl metrics --prometheus",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)
_BY = ("job", "queue")
_TREND = 12
_SHOWN = 10
_TIMES = ("avg_s", "min_s", "max_s", "p50_s", "p95_s", "p99_s")
_PARTS = {"runtime": _TIMES, "wait": _TIMES, "memory": ("avg_bytes", "max_bytes")}
_DOWN = re.compile(rb'^qctl_store_up{connection="(.*)"} 0\.0$', flags=re.MULTILINE)


def run(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Option("--job", metavar="CLASS", help="Only these, by path or name.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Only of this queue.")] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="How far to look back: 2h, or an instant.")
    ] = "1h",
    step: Annotated[
        str | None, typer.Option("--step", metavar="TIME", help="What one step of a trend covers, at least.")
    ] = None,
    by: Annotated[str, typer.Option("--by", metavar="job|queue", help="What a line is of.")] = "job",
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="All there is, in the text format of Prometheus.")
    ] = False,
) -> Exit:
    """Show how many jobs ended, and how long they ran and waited.

    /MIN counts jobs that ended well or failed. P50 and P95 are of runtimes, WAIT is what 95 of 100 jobs did not wait
    longer than. They are good to 3 %; numbers are exact. Minutes are kept for a day, hours for 30 days, days for
    a year.
    """
    call = Invocation.of(ctx)
    if prometheus:
        return _expose(call)
    if by not in _BY:
        raise WrongUsage(f"--by {by!r} is none of {', '.join(_BY)}")
    since_s, step_s = _longer_than_nothing("--since", ago("--since", since)), seconds("--step", step)
    if step_s is not None:
        _longer_than_nothing("--step", step_s)
    require_known(call, queue)
    found = call.metrics.of(call.flags.connection, since_s=since_s, step_s=step_s, job=job, queue=queue)
    if job is not None and not found.jobs:
        _require_class(call, job)
    output.show(call, _report(call, found, by))
    return Exit.OK


def _longer_than_nothing(flag: str, length_s: float) -> float:
    if length_s <= 0:
        raise WrongUsage(f"{flag}: it must be longer than nothing", hint=f"such as {flag} 1h")
    return length_s


def _expose(call: Invocation) -> Exit:
    """Write it all down for Prometheus; a store that does not answer is told there, and by the exit code."""
    text = call.exposition()
    output.write(text.decode())
    down = ", ".join(name.decode() for name in _DOWN.findall(text))
    if down:
        output.note(call, f"error: the store does not answer: {down}", even_quiet=True)
    return Exit.UNREACHABLE if down else Exit.OK


def _require_class(call: Invocation, name: str) -> None:
    """See to it that a class was measured at some time, or that there is such a class."""
    from qcore.errors import UnknownJobClass
    from qcore.jobs.packing import resolve
    from qcore.monitor.metrics import ever, is_of

    known = sorted({reading.job for reading in ever(call.manager.connection(call.connection.name))})
    if any(is_of(one, name) for one in known):
        return
    try:
        resolve(name if ":" in name or call.settings.app is None else f"{call.settings.app}:{name}")
    except UnknownJobClass:
        hint = f"measured here: {', '.join(known[:_SHOWN])}" if known else "nothing was measured here yet"
        raise NotFound(f"no job class {name!r}", hint=hint) from None


def _report(call: Invocation, found: "MetricsSnapshot", by: str) -> output.Report:
    lists = {"jobs": [item_of(one) for one in found.jobs], "queues": [item_of(one) for one in found.queues]}
    items = lists[f"{by}s"]
    totals = item_of(found.totals)
    span = fmt.duration(found.since_s)
    return output.Report(
        schema="qctl.metrics/1",
        data={"since_s": found.since_s, "step_s": found.step_s, "totals": totals, **lists},
        items=items,
        item_schema="qctl.measured/1",
        columns=_columns(by.upper(), ascii_only=output.wants_ascii(call)),
        parts=_PARTS,
        name="name",
        headline=f"the last {span}: {_words(found.totals)}\n",
        empty=f"nothing ended in the last {span}",
        backend=call.backend(),
    )


def _words(totals: "MeasuredSnapshot") -> str:
    share = "" if totals.success_rate is None else f", {totals.success_rate:.1%} well"
    return f"{fmt.plural(totals.processed + totals.failed, 'job')}{share}, {totals.throughput_per_min:.1f} a minute"


def _columns(title: str, *, ascii_only: bool) -> tuple[Column, ...]:
    def trend(numbers: list[int]) -> str:
        return fmt.sparkline(numbers, _TREND, ascii_only=ascii_only)

    return (
        Column(title, "name"),
        Column("DONE", "processed", human=fmt.count, right=True, style=lambda n: "green" if n else "dim"),
        Column("FAIL", "failed", human=fmt.count, right=True, style=lambda n: "red" if n else "dim"),
        Column("RETRY", "retried", human=fmt.count, right=True, style=lambda n: "yellow" if n else "dim"),
        Column("/MIN", "throughput_per_min", human=lambda rate: f"{rate:.1f}", right=True),
        Column("P50", "runtime.p50_s", human=fmt.duration, right=True),
        Column("P95", "runtime.p95_s", human=fmt.duration, right=True),
        Column("WAIT", "wait.p95_s", human=fmt.duration, right=True),
        Column("TREND", "trend", human=trend),
    )


def item_of(one: "MeasuredSnapshot") -> dict[str, Any]:
    """The JSON of what was measured under one name."""
    memory = None if one.memory is None else {"avg_bytes": one.memory.avg_bytes, "max_bytes": one.memory.max_bytes}
    return {
        "name": one.name,
        "processed": one.processed,
        "failed": one.failed,
        "retried": one.retried,
        "released": one.released,
        "cancelled": one.cancelled,
        "success_rate": one.success_rate,
        "throughput_per_min": one.throughput_per_min,
        "runtime": _times(one.runtime),
        "wait": _times(one.wait),
        "memory": memory,
        "trend": list(one.trend),
    }


def _times(times: "TimesSnapshot | None") -> dict[str, float] | None:
    return None if times is None else {name: getattr(times, name) for name in _TIMES}
