"""How a table is drawn: the columns of a report, as wide as there is room for."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qctl import format as fmt

if TYPE_CHECKING:
    from qctl.output import Column

_ASCII_HEAD = "    \n    \n -- \n    \n    \n    \n    \n    \n"


def value_of(item: Mapping[str, Any], column: Column) -> Any:
    """What an item has in a column: a field, or a part of one."""
    if column.key in item:
        return item[column.key]
    name, _, part = column.key.partition(".")
    return item[name] and item[name][part]


def table(
    columns: Sequence[Column], items: Sequence[Mapping[str, Any]], width: int | None, *, color: bool, ascii_only: bool
) -> str:
    """Draw a table.

    Args:
        columns: from left to right.
        items: a line each.
        width: of the longest line; that of the terminal if None.
        color: colour cells by their style.
        ascii_only: draw with ASCII alone.
    """
    from rich.box import SIMPLE_HEAD, Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rule = Box(_ASCII_HEAD, ascii=True) if ascii_only else SIMPLE_HEAD
    drawn = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            overflow="crop" if ascii_only else "ellipsis",
            no_wrap=True,
            min_width=_longest(column, items) if column.whole else None,
        )
    for item in items:
        drawn.add_row(*(Text(*_cell(column, value_of(item, column))) for column in columns))
    page = io.StringIO()
    Console(file=page, width=width, force_terminal=color, no_color=not color, highlight=False).print(drawn)
    return "\n".join(line.rstrip() for line in page.getvalue().split("\n"))


def _longest(column: Column, items: Sequence[Mapping[str, Any]]) -> int:
    return max(len(_cell(column, value_of(item, column))[0]) for item in items)


def _cell(column: Column, value: Any) -> tuple[str, str]:
    text = "" if value is None else fmt.printable(column.human(value))
    return text, column.style(value) if column.style else ""
