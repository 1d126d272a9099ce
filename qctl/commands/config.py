"""`qctl config`."""

from typing import Annotated, Any

import typer

from qctl import output
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage
from qctl.output import Column

EXAMPLES = ("qctl config", "qctl config --profile prod --json", "qctl config path")
EXITS = (Exit.USAGE, Exit.CONFIGURATION)


def run(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="[show|path]", help="The settings, or the file that was read.")
    ] = "show",
) -> None:
    """Show the settings in force and where each comes from.

    Secrets are masked. Nothing is connected to.
    """
    call = Invocation.of(ctx)
    if what == "show":
        output.show(call, _settings(call))
    elif what == "path":
        output.show(call, _path(call))
    else:
        raise WrongUsage(f"config shows no {what!r}", hint="qctl config show, or qctl config path")


def _settings(call: Invocation) -> output.Report:
    from qcore.config import as_table

    items = [{"name": name, "value": value, "origin": origin} for name, value, origin in as_table(call.settings)]
    return output.Report(
        schema="qctl.config/1",
        data={"settings": items},
        items=items,
        item_schema="qctl.setting/1",
        columns=(Column("SETTING", "name"), Column("VALUE", "value", human=output.machine), Column("FROM", "origin")),
        name="name",
    )


def _path(call: Invocation) -> output.Report:
    file = call.settings.config_file
    data: dict[str, Any] = {"file": file}
    empty = "" if file else "no configuration file was read"
    return output.Report(schema="qctl.config.path/1", data=data, text=file or None, name="file", empty=empty)
