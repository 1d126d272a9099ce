"""`qctl show`."""

from typing import Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.job_items import described, whole_item_of
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl show 0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f", "qctl show ID --json | jq .data.failures")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)
_LABEL_WIDTH = 10


def run(ctx: typer.Context, job_id: Annotated[str, typer.Argument(metavar="ID", help="Of the job.")]) -> None:
    """Show all that is known of one job.

    Its arguments, its times, its result, and the error of every attempt with its traceback.
    """
    call = Invocation.of(ctx)
    item = whole_item_of(call.monitor.job(job_id, call.flags.connection))
    report = output.Report(schema="qctl.show/1", data=item, text=_page(item), backend=call.backend())
    output.show(call, report)


def _page(item: dict[str, Any]) -> str:
    lines = [f"{label:<{_LABEL_WIDTH}}{fmt.printable(text)}" for label, text in described(item)]
    for failure in item["failures"]:
        lines += [
            "",
            f"attempt {failure['attempt']} failed at {fmt.rfc3339(failure['at'])} on {failure['worker'] or '?'}",
        ]
        lines.append(failure["traceback"].rstrip() or f"{failure['kind']}: {failure['text']}")
    return "\n".join(lines)
