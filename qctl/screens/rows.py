"""Tables as values: columns, rows and how they are put in order. Pure; the widget that draws them is `grid.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size

MOST = 200
"""Rows of a list that are read: of more jobs than that the newest, or those that match a filter."""


class Column(NamedTuple):
    """One column.

    Args:
        key: of its cells.
        title: its heading.
        width: characters.
        right: numbers stand to the right.
        keep: the smallest are left out first where there is no room; those above 9 stay.
        grows: takes what is left of the width.
    """

    key: str
    title: str
    width: int
    right: bool = False
    keep: int = 10
    grows: bool = False


class Cell(NamedTuple):
    """What stands in a row under a column."""

    text: str
    style: str = ""
    order: Any = None
    """By what it is sorted: a number, or the text if None; nothing at all comes last."""


class Row(NamedTuple):
    """One line, known by its key."""

    key: str
    cells: Mapping[str, Cell]
    depth: int = 0
    """In a tree, from 0."""
    style: str = ""

    def text(self) -> str:
        """All of it as one text, for filters."""
        return " ".join(cell.text for cell in self.cells.values())


def fitted(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that have room, with the width of each; between two of them is one blank."""
    chosen = list(columns)
    while sum(one.width + 1 for one in chosen) - 1 > width and any(one.keep < 10 for one in chosen):
        chosen.remove(min(reversed(chosen), key=lambda one: one.keep))
    left = width - sum(one.width + 1 for one in chosen) + 1
    growing = [one for one in chosen if one.grows]
    share, more = divmod(max(0, left), len(growing)) if growing else (0, 0)
    widths = []
    for one in chosen:
        wide = one.width + (share + (one is growing[-1]) * more if one.grows else 0)
        widths.append((one, wide))
    return widths


def fitting(text: str, width: int, *, right: bool, ascii_only: bool) -> str:
    """A text in so many cells of a terminal, of which some characters take two."""
    room = width - cell_len(text)
    if room < 0:
        return set_cell_size(text, width) if width < 2 or ascii_only else f"{set_cell_size(text, width - 1)}…"
    return " " * room + text if right else text + " " * room


def matching(rows: Iterable[Row], pattern: str) -> list[Row]:
    """The rows that hold one of the words that `|` parts, in whatever case; in a tree with what stands above them."""
    words = [word.strip().lower() for word in pattern.split("|") if word.strip()]
    every = list(rows)
    if not words:
        return every
    kept: list[Row] = []
    above: list[Row] = []
    for row in every:
        del above[row.depth :]
        above.append(row)
        if any(word in row.text().lower() for word in words):
            kept += [one for one in above if one not in kept]
    return kept


def in_order(rows: Sequence[Row], key: str, *, falling: bool) -> list[Row]:
    """Rows by one column, empty cells last; a tree keeps its shape, and its branches are put in order."""
    if any(row.depth for row in rows):
        return _tree_in_order(list(rows), 0, key, falling=falling)
    return _sorted(rows, key, falling=falling)


def _sorted(rows: Sequence[Row], key: str, *, falling: bool) -> list[Row]:
    told = [row for row in rows if _order(row, key) is not None]
    untold = [row for row in rows if _order(row, key) is None]
    return sorted(told, key=lambda row: _order(row, key) or (False, 0), reverse=falling) + untold


def _tree_in_order(rows: list[Row], depth: int, key: str, *, falling: bool) -> list[Row]:
    branches: dict[str, list[Row]] = {}
    heads: list[Row] = []
    for row in rows:
        if row.depth == depth:
            heads.append(row)
            branches[row.key] = []
        elif heads:
            branches[heads[-1].key].append(row)
    ordered: list[Row] = []
    for head in _sorted(heads, key, falling=falling):
        ordered.append(head)
        ordered += _tree_in_order(branches[head.key], depth + 1, key, falling=falling)
    return ordered


def _order(row: Row, key: str) -> tuple[bool, Any] | None:
    """By what a row is sorted; numbers and words are never compared, whatever a column mixes."""
    cell = row.cells.get(key)
    if cell is None:
        return None
    order = cell.text.lower() if cell.order is None else cell.order
    return None if order == "" else (isinstance(order, str), order)
