"""`qctl make:job`."""

from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.exits import Exit
from qctl.making import kinds
from qctl.making.module import Force, Package, make
from qctl.making.naming import class_name

EXAMPLES = ("qctl make:job SendEmail", "qctl make:job ImportRow --batchable --unique", "qctl make:job Pay --secure")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.CONFIGURATION, Exit.UNCONFIRMED)


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the class, such as SendEmail.")],
    batchable: Annotated[bool, typer.Option("--batchable", help="A member of batches.")] = False,
    chainable: Annotated[bool, typer.Option("--chainable", help="A step of chains and graphs.")] = False,
    unique: Annotated[bool, typer.Option("--unique", help="One at a time, of those with the same id.")] = False,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="Its arguments travel as ciphertext.")] = False,
    secure: Annotated[bool, typer.Option("--secure", help="Sensitive arguments, and permissions to run it.")] = False,
    async_: Annotated[bool, typer.Option("--async", help="Its work is async.")] = False,
    package: Package = None,
    force: Force = False,
) -> None:
    """Write a new job and its test.

    It goes into the package jobs of the application, or of this folder where none is configured, and the test into
    tests. The flags go together.
    """
    wanted = {"batchable": batchable, "chainable": chainable, "unique": unique, "encrypted": encrypted}
    traits = [trait for trait, is_wanted in (wanted | {"secure": secure, "async": async_}).items() if is_wanted]
    name = class_name(name)
    make(Invocation.of(ctx), name, "job", lambda module: kinds.job(name, module, traits), package=package, force=force)
