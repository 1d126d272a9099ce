"""`qctl forget`."""

import typer

from qctl.commands.bulk import FAILED, count_given, forget_all, tell_selected, token_unless, undo_by
from qctl.commands.choosing import require_ids, require_writable
from qctl.commands.ranges import ids_of
from qctl.commands.selecting import DryRun, FailedIds, ForGood, Limit, Where, filter_of
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = (
    "qctl forget 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl failed -o name | qctl forget -",
    "qctl forget --where 'job:Import* ended<-7d' --dry-run",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: FailedIds = None,
    where: Where = None,
    limit: Limit = None,
    for_good: ForGood = False,
    dry_run: DryRun = False,
) -> Exit:
    """Drop failed jobs.

    Those that are named, or all that match, or the newest N of these with --limit N. Asks nothing where each is named.
    With --where it asks first; without a terminal it needs --yes. For a day qctl restore brings them back.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    token = token_unless(for_good=for_good)
    if where is not None and not ids:
        return forget_all(call, filter_of(where), limit, dry_run=dry_run, token=token)
    require_ids(ids, is_selected=where is not None or limit is not None)
    chosen = ids_of(call, ids or (), FAILED)
    result = count_given(call, chosen) if dry_run else call.actions.forget(chosen, token=token)
    return tell_selected(call, "qctl.forget/1", "forgotten", result, undo_by(token, result))
