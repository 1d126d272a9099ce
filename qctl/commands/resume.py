"""`qctl resume`."""

from typing import Annotated

import typer

from qctl import output
from qctl.commands import completions
from qctl.commands.choosing import require_queues, require_writable
from qctl.commands.worker_items import tell
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl resume emails", "qctl resume --worker 4f3a9c21")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    queue: Annotated[
        str | None, typer.Argument(metavar="[QUEUE]", help="Which.", autocompletion=completions.queues)
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(
            "--worker",
            metavar="WORKER",
            help="An id instead, of a worker or supervisor.",
            autocompletion=completions.workers,
        ),
    ] = None,
) -> None:
    """Let a paused queue or worker go on.

    One that was not paused stays as it is, and that is no error.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    if (queue is None) == (not worker):
        raise WrongUsage("name a queue, or a --worker")
    if queue is None:
        tell(call, worker or [], "continue")
        return
    require_queues(call, [queue])
    changed = call.actions.resume(queue).changed > 0
    data = {"queue": queue, "paused": False, "changed": changed}
    text = f"resumed {queue}" if changed else f"{queue} was not paused"
    output.show(call, output.Report(schema="qctl.resume/1", data=data, text=text, name="queue", backend=call.backend()))
