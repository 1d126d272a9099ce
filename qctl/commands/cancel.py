"""`qctl cancel`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.bulk import failures_of, lines_of, preview, reasons, require_some_state, that_match
from qctl.commands.choosing import confirm, require_ids, require_writable
from qctl.commands.job_items import item_of
from qctl.commands.ranges import ids_of
from qctl.commands.selecting import Ids, Limit, Where, filter_of
from qctl.context import Invocation
from qctl.exits import Exit, NotFound, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter
    from qcore.monitor import ActionResult

EXAMPLES = (
    "qctl cancel 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl jobs --queue emails -o name | qctl cancel -",
    "qctl cancel --where 'queue:emails job:Send* args.campaign:42' --dry-run",
    "qctl cancel --hard 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Ids = None,
    where: Where = None,
    limit: Limit = None,
    hard: Annotated[bool, typer.Option("--hard", help="Interrupt those that run, as a timeout would.")] = False,
    force: Annotated[bool, typer.Option("--force", hidden=True)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --where: only count.")] = False,
) -> Exit:
    """Let jobs not run, or stop running.

    One that waits never starts. One that runs is told within seconds, and may heed it; with --hard it is interrupted.
    Asks nothing where each is named. With --where it asks first; without a terminal it needs --yes.
    """
    call = Invocation.of(ctx)
    hard = hard or force
    require_writable(call)
    if where is not None and not ids:
        result = _cancel_all(call, filter_of(where), limit, hard=hard, dry_run=dry_run)
    else:
        require_ids(ids, is_selected=where is not None or limit is not None)
        if dry_run:
            raise WrongUsage("--dry-run counts what matches: it goes with --where", hint="qctl show ID shows one job")
        from qcore.monitor.actions import CANCELLABLE

        result = call.actions.cancel(ids_of(call, ids or (), CANCELLABLE), hard=hard)
    if result.failed and not (result.changed or result.told):
        job_id, reason = result.failed[0]
        raise NotFound(f"job {job_id}: {reason}", hint="qctl jobs lists what there is")
    return _tell(call, result, hard=hard)


def _cancel_all(call: Invocation, chosen: "Filter", limit: int | None, *, hard: bool, dry_run: bool) -> "ActionResult":
    from qcore.monitor.actions import CANCELLABLE

    require_some_state(chosen, CANCELLABLE)
    found = preview(call, chosen, CANCELLABLE, limit, is_shown=dry_run)
    if dry_run:
        return found
    confirm(call, f"cancel {fmt.plural(found.matched, 'job')} {that_match(chosen)}", lines_of(found.sample))
    return call.actions.cancel_all(chosen, limit, hard=hard)


def _tell(call: Invocation, result: "ActionResult", *, hard: bool) -> Exit:
    data = {
        "matched": result.matched,
        "changed": result.changed,
        "told": list(result.told),
        "failed": failures_of(result),
        "hard": hard,
        "dry_run": result.dry_run,
        "scanned_limit": result.scanned_limit,
    }
    if result.dry_run:
        data["sample"] = [item_of(job) for job in result.sample]
    report = output.Report(
        schema="qctl.cancel/1",
        data=data,
        text=_sentence(result),
        backend=call.backend(),
        warnings=reasons(result),
    )
    output.show(call, report)
    return Exit.FAILED if result.failed else Exit.OK


def _sentence(result: "ActionResult") -> str:
    if result.dry_run:
        return f"{fmt.plural(result.matched, 'job')} would be cancelled, or told to stop"
    sentence = f"cancelled {fmt.plural(result.changed, 'job')}"
    return f"{sentence}, told {fmt.plural(len(result.told), 'job')} to stop" if result.told else sentence
