"""`qctl make:middleware`."""

from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.exits import Exit
from qctl.making import kinds
from qctl.making.module import Force, Package, make
from qctl.making.naming import class_name

EXAMPLES = ("qctl make:middleware Traced", "qctl make:middleware Traced --package shop.around")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.CONFIGURATION, Exit.UNCONFIRMED)


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the class, such as Traced.")],
    package: Package = None,
    force: Force = False,
) -> None:
    """Write a new middleware and its test.

    It acts before and after jobs, sync and async alike, and goes into the package middleware of the application, or of
    this folder where none is configured.
    """
    name = class_name(name)
    make(
        Invocation.of(ctx),
        name,
        "middleware",
        lambda module: kinds.middleware(name, module),
        package=package,
        force=force,
    )
