"""`qctl restart`."""

from typing import Annotated

import typer

from qctl.commands import completions
from qctl.commands.choosing import require_writable
from qctl.commands.worker_items import EVERYBODY, tell
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl restart", "qctl restart web1:4711:4f3a9c21")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    worker: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORKER]...", help="Ids, of workers or supervisors; else all.", autocompletion=completions.workers
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every worker on every host, as without any name.")] = False,
) -> None:
    """Let workers begin anew, with the code of now.

    A supervisor imports the code anew, and its old workers end once the new ones serve; if the new code fails to
    start, the old goes on. At the id of a single worker only its process is made anew, with its supervisor's code.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    if worker and all_:
        raise WrongUsage("name workers, or --all, not both")
    tell(call, worker or [EVERYBODY], "restart")
