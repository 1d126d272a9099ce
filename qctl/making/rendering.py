"""What stands in new files: templates of this package with names filled in, formatted as `ruff format` does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).parents[1] / "templates"
_WIDTH = 88
"""Of ruff's own default."""


def render(template: str, **values: str) -> str:
    """Fill a template.

    Args:
        template: its path below `qctl/templates`, without `.tmpl`.
        values: by the names that stand in it after a `$`.
    """
    text = (_FOLDER / f"{template}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def importing(module: str, names: Iterable[str]) -> str:
    """Write the line that imports names, or several where one is too long; ends without a line break."""
    return _fitted(f"from {module} import ", "(", sorted(names), ")", optional=True)


def deriving(name: str, bases: Iterable[str]) -> str:
    """Write the line that begins a class, or several where one is too long."""
    return _fitted(f"class {name}", "(", list(bases), ")") + ":"


def _fitted(head: str, opening: str, items: list[str], closing: str, *, optional: bool = False) -> str:
    """In one line, or with one item a line and a comma after the last, which a formatter leaves as it is."""
    body = ", ".join(items)
    line = f"{head}{body}" if optional else f"{head}{opening}{body}{closing}"
    if len(line) < _WIDTH:
        return line
    return "\n".join([f"{head}{opening}", *(f"    {item}," for item in items), closing])
