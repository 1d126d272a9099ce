"""`qctl retry`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl.commands import completions
from qctl.commands.bulk import FAILED, count_given, retry_all, tell_selected
from qctl.commands.choosing import require_writable
from qctl.commands.ranges import ids_of
from qctl.commands.selecting import Class, DryRun, Limit, Queue, Since, Tag, Where, filter_of, require_known
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter
    from qcore.monitor.moving import Again

EXAMPLES = (
    "qctl retry 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl retry --all --queue emails",
    "qctl retry --where 'error:~Timeout' --since 2h --dry-run",
    "qctl failed -o name | head -5 | qctl retry -",
    "qctl retry --all --queue emails --to-queue bulk --spread 10m",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...|all|-",
        help="Which; - reads stdin, FIRST..LAST is a range.",
        autocompletion=completions.failed,
    ),
]


def run(  # noqa: PLR0913, PLR0917  each flag is a parameter
    ctx: typer.Context,
    ids: _Ids = None,
    queue: Queue = None,
    class_: Class = None,
    tag: Tag = None,
    since: Since = None,
    where: Where = None,
    all_: Annotated[bool, typer.Option("--all", help="All that match; the same as the word all.")] = False,
    limit: Limit = None,
    to_queue: Annotated[
        str | None, typer.Option("--to-queue", metavar="QUEUE", help="Put them in this queue instead.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="TIME", help="Let them wait so long: 90s, 5m, 2h.")
    ] = None,
    spread: Annotated[
        str | None, typer.Option("--spread", metavar="TIME", help="Spread them by chance over so much time.")
    ] = None,
    reset_tries: Annotated[
        bool, typer.Option("--reset-tries", help="Count their tries from zero, as is always done.")
    ] = True,
    dry_run: DryRun = False,
) -> Exit:
    """Put failed jobs back in their queues.

    Those that are named, singly or as FIRST..LAST, or all that match, or the newest N of these with --limit N. They are
    due at once, with all their tries and their old errors kept; a full queue takes them too. Never asks.
    """
    del reset_tries
    call = Invocation.of(ctx)
    require_writable(call)
    again = _again(to_queue, delay, spread)
    words = ids or []
    chosen = filter_of(where, queue=queue, classes=class_, tags=tag, since=since)
    if "all" in words or not words:
        _require_choice(chosen, is_all=all_ or bool(words))
        require_known(call, queue)
        return retry_all(call, chosen, limit, dry_run=dry_run, again=again)
    if chosen or all_ or limit is not None:
        raise WrongUsage("ids and what selects jobs exclude each other", hint="qctl retry --all --queue QUEUE")
    given = ids_of(call, words, FAILED)
    result = count_given(call, given) if dry_run else call.actions.retry(given, again)
    return tell_selected(call, "qctl.retry/1", "retried", result)


def _again(to_queue: str | None, delay: str | None, spread: str | None) -> "Again":
    from qcore.monitor.moving import Again

    return Again(queue=to_queue, delay_s=seconds("--delay", delay) or 0.0, spread_s=seconds("--spread", spread) or 0.0)


def _require_choice(chosen: "Filter", *, is_all: bool) -> None:
    if not is_all and not chosen:
        raise WrongUsage("nothing to retry was named", hint="name ids, --all, --queue QUEUE or --where FILTER")
