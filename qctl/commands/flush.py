"""`qctl flush`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from qcore.clock import LONGEST_S
from qctl import format as fmt
from qctl.commands import completions
from qctl.commands.bulk import count_failed, of_queue, sample_of, tell, would_change
from qctl.commands.choosing import confirm, require_queues, require_writable
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl flush --yes", "qctl flush --hours 48 --queue emails --dry-run")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0, metavar="H", help="Only what failed H hours ago.")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="QUEUE", help="Only this queue's.", autocompletion=completions.queues),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> Exit:
    """Drop all failed jobs, or those of a queue or an age.

    Asks first; without a terminal it needs --yes.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    if queue is not None:
        require_queues(call, [queue])
    if hours is not None and not hours * 3600 <= LONGEST_S:
        raise WrongUsage(f"--hours: {hours:g} hours are beyond 10 years")
    before = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    number = count_failed(call, queue, before=before)
    if dry_run:
        return tell(call, "qctl.flush/1", "dropped", would_change(number))
    confirm(call, f"drop {fmt.plural(number, 'failed job')} {of_queue(queue)}", sample_of(call, "failed", queue))
    older_than_s = None if hours is None else hours * 3600
    return tell(call, "qctl.flush/1", "dropped", call.actions.flush(queue, older_than_s))
