"""`qctl release`."""

from typing import Annotated

import typer

from qctl.commands.moving import Deed, act
from qctl.commands.selecting import DryRun, Ids, Limit, Where
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = (
    "qctl release 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl release --where 'state:delayed queue:emails'",
    "qctl release --where 'job:Import*' --delay 2h --yes",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Ids = None,
    where: Where = None,
    limit: Limit = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="TIME", help="Let them wait so long from now.")
    ] = None,
    dry_run: DryRun = False,
) -> Exit:
    """Let jobs that wait run now, or at another time.

    Delayed and retrying jobs are due at once, with their tries as they are; with --delay so long from now, and
    pending ones too. Those that run are left alone. With --where it asks first; without a terminal it needs --yes.
    """
    from qcore.monitor.actions import WAITING

    call = Invocation.of(ctx)
    delay_s = seconds("--delay", delay) or 0.0
    deed = Deed(
        "qctl.release/1",
        "release",
        "released",
        WAITING,
        lambda given: call.actions.release(given, delay_s),
        lambda chosen, most: call.actions.release_all(chosen, most, delay_s),
    )
    return act(call, deed, ids, where, limit, dry_run=dry_run)
