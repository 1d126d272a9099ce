"""`qctl migrate`."""

from typing import Annotated, Any

import typer

from qctl import output
from qctl.commands.choosing import require_writable
from qctl.context import Invocation
from qctl.exits import Exit
from qctl.output import Column

EXAMPLES = ("qctl migrate", "qctl migrate --connection reports", "qctl migrate --all --json")
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_COLUMNS = (
    Column("CONNECTION", "connection"),
    Column("DRIVER", "driver"),
    Column("APPLIED", "revisions", human=lambda revisions: ", ".join(revisions) or "up to date"),
)


def run(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Every connection, not only the one in force.")] = False,
) -> None:
    """Make or update the tables of the store.

    Under one lock, so that several may call it at once; nothing happens where the tables are up to date.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    names = call.manager.connections() if every else [call.connection.name]
    items = [_migrated(call, name) for name in names]
    report = output.Report(
        schema="qctl.migrate/1",
        data={"connections": items},
        items=items,
        item_schema="qctl.migrate.connection/1",
        columns=_COLUMNS,
        name="connection",
        backend=call.backend(),
    )
    output.show(call, report)


def _migrated(call: Invocation, name: str) -> dict[str, Any]:
    revisions = call.manager.migrate(name)
    call.manager.connection(name).ping()  # a store without a schema is asked nothing above, yet must be there
    return {"connection": name, "driver": call.settings.connection(name).driver, "revisions": revisions}
