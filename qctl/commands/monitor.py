"""`qctl monitor`."""

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_queues
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.live import Patience
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.alerts import Alert, QueueSeen, Watcher
    from qcore.monitor.hooks import Hook

EXAMPLES = (
    "qctl monitor --queue emails --max 1000 --wait 60",
    "qctl monitor --webhook https://hooks.example.org/alerts",
    "qctl monitor --once --exec 'mail -s \"$QCTL_ALERT_TEXT\" ops@example.org'",
)
EXITS = (
    Exit.FAILED,
    Exit.USAGE,
    Exit.NOT_FOUND,
    Exit.UNREACHABLE,
    Exit.CONFIGURATION,
    Exit.THRESHOLD,
    Exit.INTERRUPTED,
)
_SHORTEST_S = 0.1
_QUEUES = (
    Column("QUEUE", "name"),
    Column("JOBS", "size", human=fmt.count, right=True),
    Column("WAIT", "wait_s", human=fmt.duration, right=True),
    Column("OVER", "over", human=", ".join, style=lambda over: "red" if over else ""),
)
_ALERTS = (
    Column("AT", "at", human=fmt.local_time),
    Column("STATE", "state"),
    Column("QUEUE", "queue"),
    Column("TEXT", "text"),
)


def run(
    ctx: typer.Context,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="QUEUE", help="Only this one; may be repeated.")
    ] = None,
    most: Annotated[int, typer.Option("--max", min=0, metavar="N", help="Jobs that may be in a queue.")] = 1000,
    wait: Annotated[str, typer.Option("--wait", metavar="TIME", help="How long its oldest job may wait.")] = "60",
    interval: Annotated[str, typer.Option("--interval", metavar="TIME", help="Look so often.")] = "5",
    once: Annotated[bool, typer.Option("--once", help="Look once; exit 20 if a threshold is passed.")] = False,
    command: Annotated[
        list[str] | None, typer.Option("--exec", metavar="COMMAND", help="Run this for each alert, by the shell.")
    ] = None,
    webhook: Annotated[
        list[str] | None, typer.Option("--webhook", metavar="URL", help="Post each alert there as JSON.")
    ] = None,
    apprise: Annotated[
        list[str] | None, typer.Option("--apprise", metavar="URL", help="Tell it by Apprise, if that is installed.")
    ] = None,
) -> Exit:
    """Watch the size and wait of queues, and tell of what is too much.

    Told once when a threshold is passed and once when that is over, however many watch the same store. --exec,
    --webhook and --apprise may be repeated; one that fails is logged, and the watching goes on. What none of them could
    tell is told by the next look; with --once a hook that fails means exit 1.
    """
    from qcore.monitor.alerts import Watcher

    call = Invocation.of(ctx)
    every_s = max(_SHORTEST_S, seconds("--interval", interval) or 0.0)
    hooks, names = _hooks(command, webhook, apprise), split(queue)
    watcher = Watcher(
        call.manager,
        names,
        max_size=most,
        max_wait_s=seconds("--wait", wait),
        connections=call.connections_in_use() if call.flags.connection or not queue else (),
    )
    if not once:
        _watch(call, watcher, hooks, every_s, names)
    require_queues(call, names)
    readings, alerts = watcher.look()
    failed = _tell(watcher, hooks, alerts)
    output.show(call, _seen(call, readings, alerts))
    if failed:
        what = f"{fmt.plural(failed, 'hook')} failed, of {fmt.plural(len(hooks) * len(alerts), 'call')}"
        output.note(call, f"error: {what}; an alert that no hook told is told by the next look", even_quiet=True)
        return Exit.FAILED
    return Exit.THRESHOLD if any(reading.over for reading in readings) else Exit.OK


def _hooks(command: list[str] | None, webhook: list[str] | None, apprise: list[str] | None) -> "list[Hook]":
    from qcore.errors import ConfigurationError
    from qcore.monitor.hooks import AppriseHook, CommandHook, WebhookHook

    try:
        webhooks = [WebhookHook(one) for one in webhook or ()]
    except ConfigurationError as error:
        raise WrongUsage(f"--webhook: {error.message}", hint=error.hint) from None
    return [*(CommandHook(one) for one in command or ()), *webhooks, *(AppriseHook(one) for one in apprise or ())]


def _watch(call: Invocation, watcher: "Watcher", hooks: "list[Hook]", every_s: float, names: Sequence[str]) -> NoReturn:
    """Look until Ctrl-C; a store that does not answer is said once, and asked again."""
    patience, is_known, shown = Patience(call), False, set[tuple[str, str, str, str]]()

    def look() -> "Sequence[Alert]":
        nonlocal is_known
        if not is_known:
            require_queues(call, names)
        is_known = True
        return watcher.look()[1]

    while True:
        alerts = patience.look(look) or ()
        now = {(one.connection, one.queue, one.kind, one.state): one for one in alerts}
        if new := [one for which, one in now.items() if which not in shown]:
            output.show(call, _told(call, new))  # before the hooks, which may take their time
        shown = set(now)  # one that no hook told comes again with the next look
        patience.look(partial(_tell, watcher, hooks, alerts))
        time.sleep(every_s)


def _tell(watcher: "Watcher", hooks: "list[Hook]", alerts: "Sequence[Alert]") -> int:
    """Tell everybody of everything; how often that failed. What nobody was told of is told by the next look."""
    from qcore.monitor.hooks import tell_all

    failed = 0
    for alert in alerts:
        untold = tell_all(hooks, alert)
        watcher.settle(alert, was_told=not hooks or untold < len(hooks))
        failed += untold
    return failed


def _seen(call: Invocation, readings: "Sequence[QueueSeen]", alerts: "Sequence[Alert]") -> output.Report:
    items = [_item_of(reading) for reading in readings]
    return output.Report(
        schema="qctl.monitor/1",
        data={"queues": items, "alerts": [_alert_item(alert) for alert in alerts]},
        items=items,
        item_schema="qctl.monitor.queue/1",
        columns=_QUEUES,
        name="name",
        empty="no queues yet",
        backend=call.backend(),
    )


def _told(call: Invocation, alerts: "Sequence[Alert]") -> output.Report:
    items = [_alert_item(alert) for alert in alerts]
    return output.Report(
        schema="qctl.monitor/1",
        data={"queues": [], "alerts": items},
        items=items,
        item_schema="qctl.monitor.alert/1",
        columns=_ALERTS,
        name="queue",
        text=_lines(call, alerts),
        backend=call.backend(),
    )


def _lines(call: Invocation, alerts: "Sequence[Alert]") -> str:
    if output.format_of(call) != "table":
        return "\n".join(f"{fmt.rfc3339(alert.at)}  {alert.text}" for alert in alerts)
    width = output.width()
    return "\n".join(fmt.wrapped(f"{fmt.local_time(alert.at)}  {alert.text}", 10, width) for alert in alerts)


def _item_of(reading: "QueueSeen") -> dict[str, Any]:
    return {
        "name": reading.queue,
        "connection": reading.connection,
        "size": reading.size,
        "wait_s": reading.wait_s,
        "over": list(reading.over),
    }


def _alert_item(alert: "Alert") -> dict[str, Any]:
    import msgspec

    return {**msgspec.structs.asdict(alert), "text": alert.text}
