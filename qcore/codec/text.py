"""Values as one line for a person, with nothing in it that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_DEEPEST = 20
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def visible(text: str) -> str:
    """Replace every control, escape, bidirectional and invisible character by its escape, as `repr` does."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def short(value: Any, width: int = 80) -> str:
    """Write a value as Python would, on one line.

    Only as much of the value is looked at as is shown; whatever it holds, a terminal prints it as text.

    Args:
        value: anything; its own `repr` may fail.
        width: characters at the most, from 1; what is longer ends in "…".
    """
    text, length = [], 0
    for piece in _pieces(value, width, 0):
        text.append(visible(piece))
        length += len(text[-1])
        if length > width:
            return "".join(text)[: width - 1] + "…"
    return "".join(text)


def _pieces(value: Any, width: int, depth: int) -> Iterator[str]:
    kind = type(value)
    if kind is str or kind is bytes:
        yield repr(value[: width + 1])
    elif depth > _DEEPEST:
        yield "…"
    elif kind is dict and value:
        yield from _pairs(value, width, depth)
    elif kind in _BRACKETS and value:
        yield from _items(value, width, depth)
    else:
        yield _safe_repr(value)


def _pairs(value: dict[Any, Any], width: int, depth: int) -> Iterator[str]:
    before = "{"
    for key, item in value.items():
        yield before
        yield from _pieces(key, width, depth + 1)
        yield ": "
        yield from _pieces(item, width, depth + 1)
        before = ", "
    yield "}"


def _items(value: Any, width: int, depth: int) -> Iterator[str]:
    before, last = _BRACKETS[type(value)]
    for item in value:
        yield before
        yield from _pieces(item, width, depth + 1)
        before = ", "
    yield ",)" if type(value) is tuple and len(value) == 1 else last


def _safe_repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  a user's repr may raise anything, and a screen must go on
        return f"<{type(value).__qualname__}>"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
