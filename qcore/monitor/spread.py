"""One list out of those of several connections, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Read = Callable[[str, str | None, int], tuple[Sequence[T], str | None]]
"""Reads up to so many of one connection, on from a cursor of its own; returns them and where the next page begins."""
_BETWEEN = "/"


def across(names: Sequence[str], cursor: str | None, limit: int, read: Read[T]) -> tuple[list[T], str | None]:
    """Read a page of what several connections have, one after the other.

    Args:
        names: of the connections, one at least.
        cursor: as this returned it, of the same connections.
        limit: how many at the most.
        read: reads from one connection.

    Returns:
        Up to `limit`, and the cursor of the next page; None on the last one.
    """
    first, inner = _place_in(names, cursor)
    found: list[T] = []
    for number in range(first, len(names)):
        some, inner = read(names[number], inner, limit - len(found))
        found += some
        if inner is not None:
            return found, _cursor(names, number, inner)
        if len(found) >= limit and number + 1 < len(names):
            return found, _cursor(names, number + 1, "")
    return found, None


def _cursor(names: Sequence[str], number: int, inner: str) -> str:
    return inner if len(names) == 1 else f"{names[number]}{_BETWEEN}{inner}"


def _place_in(names: Sequence[str], cursor: str | None) -> tuple[int, str | None]:
    """Which connection a cursor is of, and its own part; what names none is of the first."""
    if cursor is None:
        return 0, None
    for number, name in enumerate(names if len(names) > 1 else ()):
        if cursor.startswith(name + _BETWEEN):
            return number, cursor[len(name) + 1 :] or None
    return 0, cursor
