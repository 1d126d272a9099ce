"""What to pass in place of a value that cannot travel."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

_ELSE = "pass what the worker needs to make it again: an id, a path, a dataclass"
_BARE = (str, bytes, int, float, tuple, list, dict, set, frozenset)


def kind_name(value: Any) -> str:
    """The type of a value with its module, in quotes; builtins go without."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f'"{name}"'


def advice(value: Any) -> str:
    """Say in one line what to do about a value that cannot travel."""
    for base in _BARE:
        if isinstance(value, base):
            return f"a subclass would come back changed: pass {base.__name__}(value), or make it a dataclass"
    for kinds, words in _ADVICE:
        if isinstance(value, kinds):
            return words
    if callable(value):
        return "pass its name, or call it inside `handle`"
    return _dataclass_advice(value)


def _dataclass_advice(value: Any) -> str:
    if hasattr(type(value), "__dataclass_fields__"):
        return "its class inherits from a dataclass: decorate it with @dataclass too"
    return _ELSE


_ADVICE: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bytearray, memoryview), "pass bytes(value)"),
    (io.IOBase, "pass the file's path and open it inside `handle`"),
    (BaseException, "pass str(error)"),
    (type, "pass its name"),
    (Iterator, "it can be read only once: pass list(value)"),
    ((range, type({}.keys()), type({}.values()), type({}.items())), "pass list(value)"),
)
