"""`qctl batch`."""

from typing import Annotated

import typer

from qctl import live
from qctl.commands import completions, flow_acts
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = (
    "qctl batch show 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f --watch",
    "qctl batch retry 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl batch prune --finished 48h --dry-run",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
BARE = live.EVERY
_VERBS = ("show", "cancel", "retry", "close", "prune")


def run(
    ctx: typer.Context,
    verb: Annotated[
        str,
        typer.Argument(
            metavar="VERB", help="Show, cancel, retry, close or prune.", autocompletion=completions.one_of(_VERBS)
        ),
    ],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Of the batch; several to act on.", autocompletion=completions.batches),
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option("--watch", "-w", metavar="TIME", help="For show: look again, every 2s, until it has ended."),
    ] = None,
    finished: Annotated[
        str | None, typer.Option("--finished", metavar="TIME", help="For prune: so long after they finished.")
    ] = None,
    unfinished: Annotated[
        str | None, typer.Option("--unfinished", metavar="TIME", help="For prune: made so long ago, and not finished.")
    ] = None,
    cancelled: Annotated[
        str | None, typer.Option("--cancelled", metavar="TIME", help="For prune: so long after they were cancelled.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="For prune: only count.")] = False,
) -> Exit:
    """Show a batch, or cancel, retry, close or prune some.

    show tells how far a batch is; --watch goes on until it has finished. cancel ends what has not begun, retry puts its
    failed jobs back, close lets an open one finish with what is stored of it, and prune forgets those that finished a
    day ago, or as long ago as --finished, --unfinished and --cancelled say. Jobs of a batch that is forgotten live on.
    """
    from qcore.flows import FlowKind

    call = Invocation.of(ctx)
    flow_acts.require_sense("batch", verb, _VERBS, ids or [], (watch, finished, unfinished, cancelled, dry_run or None))
    if verb == "show":
        return flow_acts.show(call, "batch", ids or [], watch)
    if verb == "prune":
        return flow_acts.prune(call, "batch", [FlowKind.BATCH], finished, unfinished, cancelled, dry_run=dry_run)
    return flow_acts.act(call, "batch", verb, ids or [])
