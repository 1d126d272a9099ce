"""`qctl retry`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl.commands.bulk import count_given, retry_all, tell_selected
from qctl.commands.choosing import read_ids, require_writable
from qctl.commands.selecting import Class, DryRun, Limit, Queue, Since, Tag, Where, filter_of, require_known
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter

EXAMPLES = (
    "qctl retry 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl retry --all --queue emails",
    "qctl retry --where 'error:~Timeout' --since 2h --dry-run",
    "qctl failed -o name | head -5 | qctl retry -",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...|all|-", help="Which; - reads ids from stdin.")
    ] = None,
    queue: Queue = None,
    class_: Class = None,
    tag: Tag = None,
    since: Since = None,
    where: Where = None,
    all_: Annotated[bool, typer.Option("--all", help="All that match; the same as the word all.")] = False,
    limit: Limit = None,
    dry_run: DryRun = False,
) -> Exit:
    """Put failed jobs back in their queues.

    Those that are named, or all that match, or the newest N of these with --limit N. They are due at once, with all
    their tries and their old errors kept; a full queue takes them too. Never asks.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    words = ids or []
    chosen = filter_of(where, queue=queue, classes=class_, tags=tag, since=since)
    if "all" in words or not words:
        _require_choice(chosen, is_all=all_ or bool(words))
        require_known(call, queue)
        return retry_all(call, chosen, limit, dry_run=dry_run)
    if chosen or all_ or limit is not None:
        raise WrongUsage("ids and what selects jobs exclude each other", hint="qctl retry --all --queue QUEUE")
    given = read_ids(words)
    result = count_given(call, given) if dry_run else call.actions.retry(given)
    return tell_selected(call, "qctl.retry/1", "retried", result)


def _require_choice(chosen: "Filter", *, is_all: bool) -> None:
    if not is_all and not chosen:
        raise WrongUsage("nothing to retry was named", hint="name ids, --all, --queue QUEUE or --where FILTER")
