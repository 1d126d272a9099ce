"""`qctl restore`."""

from typing import Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.bulk import failures_of, reasons
from qctl.commands.choosing import require_writable
from qctl.context import Invocation
from qctl.exits import Exit, NotFound

EXAMPLES = ("qctl restore 3f9a2c7d10", "qctl restore 3f9a2c7d10 --json")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)


def run(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Which qctl clear or qctl forget gave.")],
) -> Exit:
    """Bring back what was dropped within the last day.

    It comes back as new pending jobs, with no try charged. What belonged to a batch, chain or graph stays dropped, and
    so does a job whose unique lock another holds by now; ask again when that has ended.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    result = call.actions.restore(token)
    if not result.matched:
        raise NotFound(
            f"nothing was dropped under {token}", hint="what was dropped is kept for a day, and comes back once"
        )
    data = {
        "token": token,
        "matched": result.matched,
        "changed": result.changed,
        "failed": failures_of(result),
    }
    text = f"restored {fmt.plural(result.changed, 'job')}"
    if result.failed:
        text += f"; {fmt.plural(len(result.failed), 'job')} stayed dropped"
    output.show(
        call,
        output.Report(schema="qctl.restore/1", data=data, text=text, backend=call.backend(), warnings=reasons(result)),
    )
    return Exit.FAILED if result.failed else Exit.OK
