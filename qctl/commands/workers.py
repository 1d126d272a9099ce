"""`qctl workers`."""

import typer

from qctl import output
from qctl.commands.worker_items import COLUMNS, all_workers, item_of
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl workers", "qctl workers --json | jq '.data.workers[].running'", "qctl workers -o name")
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION)


def run(ctx: typer.Context) -> None:
    """List the workers there are.

    Those that report to the store, from every host; one that falls silent is listed for three lease terms (45 s).
    BUSY is how much of its time it spent in jobs. A worker without a supervisor (--in-process) reports nothing.
    """
    call = Invocation.of(ctx)
    items = [item_of(worker) for worker in all_workers(call)]
    report = output.Report(
        schema="qctl.workers/1",
        data={"workers": items},
        items=items,
        item_schema="qctl.worker/1",
        columns=COLUMNS,
        empty="no workers: qctl work starts one",
        backend=call.backend(),
    )
    output.show(call, report)
