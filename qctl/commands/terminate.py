"""`qctl terminate`."""

from typing import Annotated

import typer

from qctl.commands import completions
from qctl.commands.choosing import require_writable
from qctl.commands.worker_items import EVERYBODY, tell
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl terminate 4f3a9c21", "qctl terminate --all")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    worker: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORKER]...", help="Ids, of workers or supervisors.", autocompletion=completions.workers
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every worker on every host.")] = False,
) -> None:
    """Let workers end after their running jobs.

    What has not begun goes back to its queue. A supervisor ends once its last worker has, or at its own id; a pool
    (qctl supervise) puts a new worker in the place of one that ended.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    if bool(worker) == all_:
        raise WrongUsage("name workers, or --all", hint="qctl workers lists them")
    tell(call, [EVERYBODY] if all_ else worker or [], "terminate")
