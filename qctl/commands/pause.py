"""`qctl pause`."""

from typing import Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import QueueNames, WorkerIds, queues_unless_workers, require_queues, require_writable
from qctl.commands.values import seconds
from qctl.commands.worker_items import tell
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = (
    "qctl pause emails --reason 'mail server down'",
    "qctl pause emails reports --for 10m",
    "qctl pause --worker 4f3a9c21",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    queue: QueueNames = None,
    worker: WorkerIds = None,
    is_worker: Annotated[bool, typer.Option("--is-worker", hidden=True)] = False,
    for_: Annotated[str | None, typer.Option("--for", metavar="TIME", help="Resume by itself: 90s, 10m, 2h.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Shown wherever the queue is.")] = None,
) -> None:
    """Let queues give no jobs, or workers take none.

    Queues for every worker on every host, until qctl resume or the time is over. Running jobs end as usual.
    """
    call = Invocation.of(ctx)
    if is_worker and queue:  # as `qctl quiet WORKER` says it
        worker, queue = [*(worker or ()), *queue], None
    require_writable(call)
    for_s = seconds("--for", for_)
    if for_s == 0:
        raise WrongUsage("--for: no time at all is no pause", hint="qctl resume QUEUE ends one")
    names = queues_unless_workers(queue, worker)
    if not names:
        if for_ or reason:
            raise WrongUsage("--for and --reason are for queues", hint="resume a worker with qctl resume --worker")
        tell(call, worker or [], "pause")
        return
    require_queues(call, names)
    changed = sum(call.actions.pause(name, for_s=for_s, reason=reason).changed for name in names) > 0
    data = {"queue": names[0], "queues": names, "paused": True, "changed": changed, "for_s": for_s, "reason": reason}
    text = f"paused {', '.join(names)}" + (f" for {fmt.duration(for_s)}" if for_s else "")
    output.show(call, output.Report(schema="qctl.pause/1", data=data, text=text, name="queue", backend=call.backend()))
