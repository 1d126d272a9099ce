"""`qctl clear`."""

from typing import Annotated

import typer

from qctl import format as fmt
from qctl.commands import completions
from qctl.commands.bulk import sample_of, tell, token_unless, total_of, undo_by
from qctl.commands.choosing import confirm, confirm_by_name, require_queues, require_writable
from qctl.commands.selecting import DryRun, ForGood
from qctl.commands.values import split
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, NotConfirmed, WrongUsage

EXAMPLES = ("qctl clear emails", "qctl clear emails reports --yes", "qctl clear emails --dry-run --json")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    queues: Annotated[
        list[str] | None, typer.Argument(metavar="QUEUE...", help="Which.", autocompletion=completions.queues)
    ] = None,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="QUEUE", help="The same.", autocompletion=completions.queues)
    ] = None,
    confirmed: Annotated[
        list[str] | None, typer.Option("--confirm", metavar="QUEUE", help="Confirm this queue by its name.")
    ] = None,
    for_good: ForGood = False,
    dry_run: DryRun = False,
) -> Exit:
    """Drop the waiting jobs of queues.

    Pending, delayed and retrying jobs go; those that run, and failed ones, stay. Asks first; without a terminal
    it needs --yes, or --confirm with the queue's name; a protected queue, and any queue in production, needs the name.
    For a day qctl restore brings them back.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    names = split([*(queues or ()), *(queue or ())])
    if not names:
        raise WrongUsage("no queue was named", hint="qctl clear QUEUE")
    require_queues(call, names)
    counted = [call.actions.clear(name, dry_run=True) for name in names]
    if dry_run:
        return tell(call, "qctl.clear/1", "dropped", total_of(counted))
    _ask(call, names, split(confirmed), sum(result.matched for result in counted))
    token = token_unless(for_good=for_good)
    result = total_of([call.actions.clear(name, token=token) for name in names])
    return tell(call, "qctl.clear/1", "dropped", result, more=undo_by(token, result))


def _ask(call: Invocation, names: list[str], confirmed: list[str], number: int) -> None:
    unnamed = [name for name in names if name not in confirmed]
    if confirmed and unnamed:
        raise NotConfirmed(
            f"--confirm does not name {unnamed[0]}", hint="nothing was changed; name every queue to clear"
        )
    if confirmed:
        return
    question = f"drop {fmt.plural(number, 'waiting job')} of {', '.join(names)}"
    guarded = [name for name in names if call.settings.is_production or name in call.settings.protected]
    sample = [line for name in names for line in sample_of(call, "pending", name)][:3]
    if not guarded:
        confirm(call, question, sample)
        return
    flags = " ".join(f"--confirm {name}" for name in names)
    if call.flags.yes:
        raise CommandFailed(f"queue {guarded[0]} is protected", Exit.CONFLICT, hint=f"repeat it with {flags}")
    confirm_by_name(call, question, guarded, sample, how=flags)
