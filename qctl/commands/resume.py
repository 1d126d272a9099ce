"""`qctl resume`."""

from typing import Annotated

import typer

from qctl import output
from qctl.commands.choosing import require_queues, require_writable
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl resume emails", "qctl resume emails --json")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(ctx: typer.Context, queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Which.")]) -> None:
    """Let a paused queue give jobs again.

    A queue that was not paused stays as it is, and that is no error.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    require_queues(call, [queue])
    changed = call.actions.resume(queue).changed > 0
    data = {"queue": queue, "paused": False, "changed": changed}
    text = f"resumed {queue}" if changed else f"{queue} was not paused"
    output.show(call, output.Report(schema="qctl.resume/1", data=data, text=text, name="queue", backend=call.backend()))
