"""`qctl chain`."""

from typing import Annotated

import typer

from qctl import live
from qctl.commands import completions, flow_acts
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = (
    "qctl chain show 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f --watch",
    "qctl chain retry 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl chain prune --finished 48h --dry-run",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
BARE = live.EVERY
_VERBS = ("show", "cancel", "retry", "prune")


def run(
    ctx: typer.Context,
    verb: Annotated[
        str,
        typer.Argument(metavar="VERB", help="Show, cancel, retry or prune.", autocompletion=completions.one_of(_VERBS)),
    ],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Of the chain; several to act on.", autocompletion=completions.chains),
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
    """Show the steps of a chain, or cancel, retry or prune some.

    show lists the steps of a chain or graph; --watch goes on until it has finished. cancel ends what has not begun,
    retry lets it go on from the steps that failed, and prune forgets those that finished a day ago, or as long ago as
    --finished, --unfinished and --cancelled say.
    """
    from qcore.flows import FlowKind

    call = Invocation.of(ctx)
    flow_acts.require_sense("chain", verb, _VERBS, ids or [], (watch, finished, unfinished, cancelled, dry_run or None))
    if verb == "show":
        return flow_acts.show(call, "chain", ids or [], watch)
    if verb == "prune":
        return flow_acts.prune(
            call, "chain", [FlowKind.CHAIN, FlowKind.GRAPH], finished, unfinished, cancelled, dry_run=dry_run
        )
    return flow_acts.act(call, "chain", verb, ids or [])
