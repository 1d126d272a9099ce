"""`qctl pause`."""

from typing import Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_queues, require_writable
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl pause emails --reason 'mail server down'", "qctl pause emails --for 10m")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Which.")],
    for_: Annotated[str | None, typer.Option("--for", metavar="TIME", help="Resume by itself: 90s, 10m, 2h.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Shown wherever the queue is.")] = None,
) -> None:
    """Let a queue give no jobs.

    For every worker on every host, until qctl resume or the time is over. Running jobs end as usual.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    for_s = seconds("--for", for_)
    require_queues(call, [queue])
    changed = call.actions.pause(queue, for_s=for_s, reason=reason).changed > 0
    data = {"queue": queue, "paused": True, "changed": changed, "for_s": for_s, "reason": reason}
    text = f"paused {queue}" + (f" for {fmt.duration(for_s)}" if for_s else "")
    output.show(call, output.Report(schema="qctl.pause/1", data=data, text=text, name="queue", backend=call.backend()))
