"""`qctl forget`."""

from typing import Annotated

import typer

from qctl.commands.bulk import count_given, tell
from qctl.commands.choosing import read_ids, require_writable
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl forget 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f", "qctl failed -o name | qctl forget -")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...|-", help="Which; - reads ids from stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> Exit:
    """Drop failed jobs for good.

    Asks nothing, since each is named. To drop all of a queue: qctl failed --queue QUEUE --forget.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    chosen = read_ids(ids)
    result = count_given(call, chosen) if dry_run else call.actions.forget(chosen)
    return tell(call, "qctl.forget/1", "forgotten", result)
