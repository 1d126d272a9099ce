"""`qctl retry`."""

from typing import Annotated

import typer

from qctl.commands.bulk import count_given, retry_all, tell
from qctl.commands.choosing import read_ids, require_queues, require_writable
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = (
    "qctl retry 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl retry all --queue emails",
    "qctl failed -o name | head -5 | qctl retry -",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...|all|-", help="Which; - reads ids from stdin.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="All of this queue.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> Exit:
    """Put failed jobs back in their queues.

    They are due at once, with all their tries and their old errors kept; a full queue takes them too.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    words = ids or []
    if "all" in words or not words:
        if not words and queue is None:
            raise WrongUsage("nothing to retry was named", hint="name ids, all, or --queue QUEUE")
        if queue is not None:
            require_queues(call, [queue])
        return retry_all(call, queue, None, dry_run=dry_run)
    if queue is not None:
        raise WrongUsage("ids and --queue exclude each other", hint="qctl retry all --queue QUEUE")
    chosen = read_ids(words)
    result = count_given(call, chosen) if dry_run else call.actions.retry(chosen)
    return tell(call, "qctl.retry/1", "retried", result)
