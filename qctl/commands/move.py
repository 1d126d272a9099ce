"""`qctl move`."""

from typing import Annotated

import typer

from qctl.commands.moving import Deed, act
from qctl.commands.selecting import DryRun, Ids, Limit, Where
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = (
    "qctl move --to bulk 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl move --to bulk --where 'queue:emails job:Newsletter' --dry-run",
    "qctl move --to emails --where 'queue:emials' --yes",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="QUEUE", help="Where they go.")],
    ids: Ids = None,
    where: Where = None,
    limit: Limit = None,
    dry_run: DryRun = False,
) -> Exit:
    """Let jobs go to another queue.

    Jobs that wait, and failed ones, on the connection of that queue; a full one takes them too. They keep
    their times, tries, locks and batches. Those that run are left alone. It takes the key that signs jobs. With
    --where it asks first; without a terminal it needs --yes.
    """
    from qcore.monitor.actions import MOVABLE

    call = Invocation.of(ctx)
    deed = Deed(
        "qctl.move/1",
        f"move to {to}",
        "moved",
        MOVABLE,
        lambda given: call.actions.move(given, to),
        lambda chosen, most: call.actions.move_all(chosen, to, most),
    )
    return act(call, deed, ids, where, limit, dry_run=dry_run)
