"""`qctl cancel`."""

from typing import Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.bulk import reasons
from qctl.commands.choosing import read_ids, require_writable
from qctl.context import Invocation
from qctl.exits import Exit, NotFound

EXAMPLES = (
    "qctl cancel 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "qctl jobs --queue emails -o name | qctl cancel -",
    "qctl cancel --hard 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...|-", help="Which; - reads ids from stdin.")],
    hard: Annotated[bool, typer.Option("--hard", help="Interrupt those that run, as a timeout would.")] = False,
) -> Exit:
    """Let jobs not run, or stop running.

    One that waits never starts. One that runs is told within seconds, and may heed it; with --hard it is interrupted.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    result = call.actions.cancel(read_ids(ids), hard=hard)
    if result.failed and not (result.changed or result.told):
        job_id, reason = result.failed[0]
        raise NotFound(f"job {job_id}: {reason}", hint="qctl jobs lists what there is")
    data = {
        "matched": result.matched,
        "changed": result.changed,
        "told": list(result.told),
        "failed": [{"id": job_id, "reason": reason} for job_id, reason in result.failed],
        "hard": hard,
    }
    report = output.Report(
        schema="qctl.cancel/1",
        data=data,
        text=_sentence(result.changed, len(result.told)),
        backend=call.backend(),
        warnings=reasons(result),
    )
    output.show(call, report)
    return Exit.FAILED if result.failed else Exit.OK


def _sentence(cancelled: int, told: int) -> str:
    sentence = f"cancelled {fmt.plural(cancelled, 'job')}"
    return f"{sentence}, told {fmt.plural(told, 'job')} to stop" if told else sentence
