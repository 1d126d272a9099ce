"""`qctl batches`."""

from typing import Annotated

import typer

from qctl import live
from qctl.commands.flow_items import list_flows
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl batches --watch", "qctl batches --json | jq '.data.batches[] | select(.failed > 0) | .id'")
BARE = live.EVERY
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION)


def run(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at the most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
    ] = None,
    watch: Annotated[str | None, typer.Option("--watch", "-w", metavar="TIME", help="Look again, every 2s.")] = None,
) -> None:
    """List batches, and how far each is.

    The newest come first.
    """
    from qcore.flows import FlowKind

    list_flows(Invocation.of(ctx), [FlowKind.BATCH], "batches", limit, cursor, watch)
