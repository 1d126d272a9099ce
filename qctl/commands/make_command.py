"""`qctl make:command`."""

from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.exits import Exit
from qctl.making import kinds
from qctl.making.module import Force, Package, make
from qctl.making.naming import class_name

EXAMPLES = ("qctl make:command SendReport", "qctl make:command SendReport --package shop.console")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.CONFIGURATION, Exit.UNCONFIRMED)


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the class, such as SendReport.")],
    package: Package = None,
    force: Force = False,
) -> None:
    """Write a new command of qctl and its test.

    It goes into the package commands of the application, or of this folder where none is configured. qctl finds it
    once the application module imports it.
    """
    name = class_name(name)
    prefix = (Invocation.of(ctx).app_name() or "app").partition(".")[0]
    make(
        Invocation.of(ctx),
        name,
        "command",
        lambda module: kinds.command(name, module, prefix),
        package=package,
        force=force,
    )
