"""`qctl make:workflow`."""

from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.exits import Exit
from qctl.making import kinds
from qctl.making.module import Force, Package, make
from qctl.making.naming import class_name

EXAMPLES = ("qctl make:workflow NightlyReport", "qctl make:workflow NightlyReport --package shop.flows")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.CONFIGURATION, Exit.UNCONFIRMED)


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the workflow, such as NightlyReport.")],
    package: Package = None,
    force: Force = False,
) -> None:
    """Write a new workflow and its test.

    A graph of jobs, and the function that dispatches it. It goes into the package workflows of the application, or of
    this folder where none is configured.
    """
    name = class_name(name, is_function=True)
    make(
        Invocation.of(ctx), name, "workflow", lambda module: kinds.workflow(name, module), package=package, force=force
    )
