"""`qctl resume`."""

import typer

from qctl import output
from qctl.commands.choosing import QueueNames, WorkerIds, queues_unless_workers, require_queues, require_writable
from qctl.commands.worker_items import tell
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl resume emails reports", "qctl resume --worker 4f3a9c21")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    queue: QueueNames = None,
    worker: WorkerIds = None,
) -> None:
    """Let paused queues or workers go on.

    One that was not paused stays as it is, and that is no error.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    names = queues_unless_workers(queue, worker)
    if not names:
        tell(call, worker or [], "continue")
        return
    require_queues(call, names)
    resumed = [name for name in names if call.actions.resume(name).changed]
    idle = [name for name in names if name not in resumed]
    data = {"queue": names[0], "queues": names, "paused": False, "changed": bool(resumed)}
    told = [f"resumed {', '.join(resumed)}"] if resumed else []
    told += [f"{', '.join(idle)} {'was' if len(idle) == 1 else 'were'} not paused"] if idle else []
    text = "; ".join(told)
    output.show(call, output.Report(schema="qctl.resume/1", data=data, text=text, name="queue", backend=call.backend()))
