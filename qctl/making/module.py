"""A new module of an application and its test: what the commands `make:…` have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from qctl.context import Invocation
from qctl.making.kinds import Made
from qctl.making.naming import snake
from qctl.making.places import home_of
from qctl.making.writing import tell, write_all

Force = Annotated[bool, typer.Option("--force", help="Write anew what is there already.")]
Package = Annotated[
    str | None, typer.Option("--package", metavar="PACKAGE", help="Where it goes, such as shop.work, instead.")
]
_FOLDERS = {"job": "jobs", "middleware": "middleware", "command": "commands", "workflow": "workflows"}


def make(
    call: Invocation, name: str, kind: str, filled: Callable[[str], Made], *, package: str | None, force: bool
) -> None:
    """Write a module and its test, and say what to do next.

    Args:
        call: of the command.
        name: of the class, checked.
        kind: job, middleware, command or workflow.
        filled: takes the module's dotted name, and says what is to stand in both.
        package: where it goes, if not where such things usually go.
        force: take the place of what is there.

    Raises:
        QueueError: there is no place for it, or something is there already; nothing was written.
    """
    home = home_of(call.app_name(), _FOLDERS[kind], package)
    module = f"{home.package}.{snake(name)}"
    made = filled(module)
    test = _test_of(module, snake(name), kind)
    files = {home.folder / f"{snake(name)}.py": made.module, test: made.test}
    written = write_all(files, force=force, packages=home.new_packages)
    note = ""
    if home.app is None and kind == "command":
        note = f"qctl looks for commands in the module that --app names: from {module} import {name} as {name}"
    elif home.app is not None and kind == "command":
        note = f"add to {home.app}, where qctl looks for commands: from {module} import {name} as {name}"
    elif home.app is not None and kind != "middleware" and not home.is_of_the_app:
        note = f"import {module} in {home.app}, so that its workers may run what is in it"
    tell(call, written, [f"python -m pytest {test.as_posix()}", *made.then], note=note)


def _test_of(module: str, stem: str, kind: str) -> Path:
    """Where the test of a module goes: beside that of another package's module of the same name."""
    path = Path("tests", f"{test_name(stem, kind)}.py")
    if not path.is_file():
        return path
    imported = re.findall(rf"^from (\S+\.{stem}) import", path.read_text(encoding="utf-8"), re.MULTILINE)
    is_anothers = bool(imported) and module not in imported
    return path.with_stem(test_name(module.replace(".", "_"), kind)) if is_anothers else path


def test_name(stem: str, kind: str) -> str:
    """The name of a test's module: another one for each kind and stem, for pytest wants them all different."""
    return f"test_{stem}_{kind}"
