"""`qctl monitor`."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit
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
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.THRESHOLD, Exit.INTERRUPTED)
_SHORTEST_S = 0.1
_QUEUES = (
    Column("QUEUE", "name"),
    Column("JOBS", "size", human=fmt.count, right=True),
    Column("WAIT", "wait_s", human=fmt.duration, right=True),
    Column("OVER", "over", human=", ".join, style=lambda over: "red" if over else ""),
)
_ALERTS = (Column("AT", "at"), Column("STATE", "state"), Column("QUEUE", "queue"), Column("TEXT", "text"))


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
    --webhook and --apprise may be repeated; one that fails is logged, and the watching goes on.
    """
    from qcore.monitor.alerts import Watcher

    call = Invocation.of(ctx)
    every_s = max(_SHORTEST_S, seconds("--interval", interval) or 0.0)
    watcher = Watcher(
        call.manager,
        split(queue),
        max_size=most,
        max_wait_s=seconds("--wait", wait),
        connections=call.connections_in_use() if call.flags.connection or not queue else (),
    )
    hooks = _hooks(command, webhook, apprise)
    if once:
        readings, alerts = watcher.look()
        _tell(hooks, alerts)
        output.show(call, _seen(call, readings, alerts))
        return Exit.THRESHOLD if any(reading.over for reading in readings) else Exit.OK
    _watch(call, watcher, hooks, every_s)
    return Exit.OK


def _hooks(command: list[str] | None, webhook: list[str] | None, apprise: list[str] | None) -> "list[Hook]":
    from qcore.monitor.hooks import AppriseHook, CommandHook, WebhookHook

    return [
        *(CommandHook(one) for one in command or ()),
        *(WebhookHook(one) for one in webhook or ()),
        *(AppriseHook(one) for one in apprise or ()),
    ]


def _watch(call: Invocation, watcher: "Watcher", hooks: "list[Hook]", every_s: float) -> None:
    """Look until Ctrl-C; a store that does not answer is said once, and asked again."""
    patience = Patience(call)
    while True:
        found = patience.look(watcher.look)
        if found is not None:
            _, alerts = found
            if alerts:
                output.show(call, _told(call, alerts))  # before the hooks, which may take their time
            _tell(hooks, alerts)
        time.sleep(every_s)


def _tell(hooks: "list[Hook]", alerts: "Sequence[Alert]") -> None:
    from qcore.monitor.hooks import tell_all

    for alert in alerts:
        tell_all(hooks, alert)


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
        text="\n".join(f"{fmt.rfc3339(alert.at)}  {alert.text}" for alert in alerts),
        backend=call.backend(),
    )


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
