"""A new project: its files."""

from __future__ import annotations

from pathlib import Path

from qcore import __version__
from qctl.making import kinds
from qctl.making.kinds import Made
from qctl.making.module import test_name
from qctl.making.naming import snake
from qctl.making.rendering import render

JOB = "SendWelcome"
_PLAIN = ("pyproject.toml", "qctl.toml", "README.md")


def files_of(name: str, package: str) -> dict[Path, str]:
    """What is to stand in each file, by its path from the project's folder.

    Args:
        name: of the project.
        package: that holds its code.
    """
    values = {"name": name, "package": package, "version": __version__}
    files = {Path(file): render(f"project/{file}", **values) for file in _PLAIN}
    files[Path(".gitignore")] = render("project/gitignore", **values)
    files[Path(package, "__init__.py")] = render("project/init.py", **values)
    files[Path(package, "queues.py")] = render("project/queues.py", **values)
    for kind, folder, one in (
        ("job", "jobs", JOB),
        ("workflow", "workflows", "NightlyReport"),
        ("command", "commands", "Hello"),
    ):
        files |= _module(kind, Path(package, folder), one)
    return files


def _module(kind: str, folder: Path, name: str) -> dict[Path, str]:
    stem = snake(name)
    made = _made(kind, name, ".".join((*folder.parts, stem)))
    return {
        folder / "__init__.py": "",
        folder / f"{stem}.py": made.module,
        Path("tests", f"{test_name(stem, kind)}.py"): made.test,
    }


def _made(kind: str, name: str, module: str) -> Made:
    if kind == "command":
        return kinds.command(name, module, module.partition(".")[0])
    return kinds.workflow(name, module) if kind == "workflow" else kinds.job(name, module)
