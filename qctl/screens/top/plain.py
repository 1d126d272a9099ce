"""One look as plain text, for scripts and logs: `qctl top --once`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qctl import format as fmt
from qctl.screens.rows import Cell, Column, Row, fitted, fitting, in_order
from qctl.screens.top.header import Mood, lines
from qctl.screens.top.panel import Look
from qctl.screens.top.panels import PANELS
from qctl.screens.trends import Trends

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance

_WIDTH = 120
_LEFT_OUT = frozenset({"history"})
"""What takes more than two looks."""


def page(looks: Sequence[Glance], *, profile: str = "default", ascii_only: bool = False, width: int = _WIDTH) -> str:
    """The meters, the queues, and the workers as a tree; how things move is told by what came before the last look."""
    trends, glance = Trends(), looks[-1]
    for look in looks:
        trends.add(look)
    head = lines(glance, trends, Mood(every_s=0.0, profile=profile), width, ascii_only=ascii_only)
    told = [line.plain.rstrip() for line in head]
    for panel in PANELS[:2]:
        columns = [column for column in panel.columns if column.key not in _LEFT_OUT]
        rows = in_order(panel.rows(Look(glance, trends, ascii_only)), panel.sort, falling=panel.falling)
        told += ["", *(_line(columns, row, width) for row in [_heading(columns), *rows])]
        if not rows:
            told.append(panel.empty)
    return "\n".join(told)


def _heading(columns: list[Column]) -> Row:
    return Row("", {column.key: Cell(column.title) for column in columns})


def _line(columns: list[Column], row: Row, width: int) -> str:
    parts = []
    for number, (column, wide) in enumerate(fitted(columns, width)):
        cell = row.cells.get(column.key)
        text = ("  " * row.depth if not number else "") + (fmt.printable(cell.text) if cell is not None else "")
        parts.append(fitting(text, wide, right=column.right, ascii_only=True))
    return " ".join(parts).rstrip()
