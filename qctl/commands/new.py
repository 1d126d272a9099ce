"""`qctl new`."""

from pathlib import Path
from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.exits import Exit, NotConfirmed
from qctl.making.module import Force
from qctl.making.naming import project_name
from qctl.making.project import files_of
from qctl.making.writing import tell, write_all

EXAMPLES = ("qctl new shop", "qctl new my-shop --json")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNCONFIRMED)


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the project and its folder, such as shop.")],
    force: Force = False,
) -> None:
    """Write a new project, ready to run.

    A folder with a package that has a job, a workflow and a command, with tests of each, settings, and a page that says
    how to go on.
    """
    package = project_name(name)
    folder = Path(name)
    if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
        raise NotConfirmed(
            f"{name} is there already; nothing was written", hint="--force writes the files of a project into it"
        )
    files = {folder / path: text for path, text in files_of(name, package).items()}
    written = write_all(files, force=force)
    tell(Invocation.of(ctx), written, [f"cd {name}", "python -m pytest", "qctl work --stop-when-empty"])
