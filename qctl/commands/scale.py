"""`qctl scale`."""

from typing import Annotated

import typer

from qctl.commands.choosing import require_writable
from qctl.commands.worker_items import supervisors_of, tell
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl scale 4f3a9c21 --more", "qctl scale web-1:4711 --fewer")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    worker: Annotated[list[str], typer.Argument(metavar="WORKER...", help="A supervisor, or a worker under it.")],
    more: Annotated[bool, typer.Option("--more", help="One process more.")] = False,
    fewer: Annotated[bool, typer.Option("--fewer", help="One process less, and one at the least.")] = False,
) -> None:
    """Let a supervisor have a worker process more or less.

    It stays so until the supervisor begins anew. At the most twice as many as it began with; the pools of qctl
    supervise go by their load instead.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    if more == fewer:
        raise WrongUsage("say --more or --fewer")
    tell(call, supervisors_of(call, worker), "grow" if more else "shrink")
