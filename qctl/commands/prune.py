"""`qctl prune`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qcore.clock import LONGEST_S
from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_writable
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.monitor import ActionResult

EXAMPLES = (
    "qctl prune --hours 48",
    "qctl prune --failed --older-than 30d --dry-run",
    "qctl prune --batches --chains --older-than 7d --json",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_WORDS = {
    "failed": "failed job",
    "completed": "completed job",
    "cancelled": "cancelled job",
    "batches": "batch",
    "chains": "chain",
}


def run(
    ctx: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Failed jobs.")] = False,
    completed: Annotated[bool, typer.Option("--completed", help="Completed and cancelled jobs.")] = False,
    batches: Annotated[bool, typer.Option("--batches", help="Batches that finished or were cancelled.")] = False,
    chains: Annotated[bool, typer.Option("--chains", help="Chains and graphs likewise.")] = False,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0, metavar="H", help="What ended so many hours ago; 24.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="TIME", help="The same as a time: 90m, 7d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Drop what ended long ago.

    Without a kind, all of them but failed jobs. It never asks: it is for cron. Jobs of a batch that is dropped live on.
    What completed leaves by itself after a while, also without this.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    age_s = _age_s(hours, older_than)
    kinds = {"failed": failed, "completed": completed, "cancelled": completed, "batches": batches, "chains": chains}
    if not any(kinds.values()):
        kinds = dict.fromkeys(kinds, True) | {"failed": False}
    results = {kind: _prune(call, kind, age_s, dry_run=dry_run) for kind, is_wanted in kinds.items() if is_wanted}
    told = ", ".join(_told(kind, result) for kind, result in results.items())
    data = {
        "older_than_s": age_s,
        "dry_run": dry_run,
        "pruned": {kind: {"matched": one.matched, "changed": one.changed} for kind, one in results.items()},
    }
    text = f"would prune {told}" if dry_run else f"pruned {told}"
    output.show(call, output.Report(schema="qctl.prune/1", data=data, text=text, backend=call.backend()))


def _age_s(hours: float | None, older_than: str | None) -> float:
    if hours is not None and older_than is not None:
        raise WrongUsage("--hours and --older-than exclude each other", hint="give one of them")
    if hours is not None and hours * 3600 > LONGEST_S:
        raise WrongUsage(f"--hours: {hours:g} hours are beyond 10 years")
    given = seconds("--older-than", older_than)
    return given if given is not None else 24 * 3600.0 if hours is None else hours * 3600


def _prune(call: Invocation, kind: str, age_s: float, *, dry_run: bool) -> "ActionResult":
    from qcore.flows import FlowKind

    flows = {"batches": [FlowKind.BATCH], "chains": [FlowKind.CHAIN, FlowKind.GRAPH]}
    if kind in flows:
        return call.flows.prune(flows[kind], finished_s=age_s, unfinished_s=None, cancelled_s=age_s, dry_run=dry_run)
    return call.actions.prune(kind, age_s, dry_run=dry_run)


def _told(kind: str, result: "ActionResult") -> str:
    number = result.matched if result.dry_run else result.changed
    return fmt.plural(number, _WORDS[kind])
