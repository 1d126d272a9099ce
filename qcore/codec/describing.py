"""Values for screens and `--json`: plain data a person can read, made without importing a class of the user's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from pathlib import PurePath
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec

from qcore.codec.decoding import Reader, decode_with, split_arguments
from qcore.codec.text import short

_DEEPEST = 100
_BYTES_SHOWN = 16
_LINE = 200


class Sketch:
    """An object of a class that is not imported here: its class path and what is known of it."""

    __slots__ = ("content", "path")

    def __init__(self, path: str, content: Any) -> None:
        self.path = path
        self.content = content

    def __repr__(self) -> str:
        name = self.path.rpartition(":")[2]
        if isinstance(self.content, dict):
            return f"{name}({', '.join(f'{key}={value!r}' for key, value in self.content.items())})"
        return f"{name}.{self.content}" if isinstance(self.content, str) else f"{name}({self.content!r})"


def describe(value: Any) -> Any:
    """Turn a decoded value into what `json.dumps` takes and a person understands.

    Bytes are shortened, instants are ISO 8601, durations seconds; an object is a dict with its class under
    `$class`, an enum member is `Class.NAME`; numbers that JSON lacks are text.
    """
    return _describe(value, 0)


def describe_arguments(data: bytes) -> dict[str, Any]:
    """Describe encoded arguments without importing anything they name.

    Returns:
        `{"args": [...], "kwargs": {...}}`.

    Raises:
        PayloadError: damaged bytes.
    """
    args, kwargs = sketch_arguments(data)
    return {"args": describe(list(args)), "kwargs": describe(kwargs)}


def sketch_arguments(data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Decode arguments without importing anything they name; objects come as `Sketch`.

    Raises:
        PayloadError: damaged bytes.
    """
    return split_arguments(decode_with(_Sketcher, data, "the arguments"))


def describe_value(data: bytes) -> Any:
    """Describe one encoded value without importing anything it names.

    Raises:
        PayloadError: damaged bytes.
    """
    return describe(decode_with(_Sketcher, data, "the value"))


class _Sketcher(Reader):
    """Reads objects as sketches, so that a screen runs no code of the user's."""

    def enum(self, path: str, name: str) -> Any:
        return Sketch(path, _text(name))

    def flag(self, path: str, value: int) -> Any:
        return Sketch(path, value)

    def dataclass(self, path: str, values: dict[str, Any]) -> Any:
        return Sketch(path, dict(values))

    def struct(self, path: str, values: dict[str, Any]) -> Any:
        return Sketch(path, dict(values))

    def entity(self, path: str, key: list[Any]) -> Any:
        return Sketch(path, {"$primary_key": key[0] if len(key) == 1 else list(key)})


def _describe(value: Any, depth: int) -> Any:
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple(value)
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Enum):
        return _member(value)
    if isinstance(value, dict):
        return {_key(key): _describe(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple)):
        return [_describe(item, depth + 1) for item in value]
    return _object(value, depth)


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, Sketch):
        if not isinstance(value.content, dict):
            return repr(value)
        return {"$class": value.path} | _describe(value.content, depth + 1)
    fields = fields_of(value)
    if fields is None:
        return str(value) if isinstance(value, PurePath) else short(value, _LINE)
    path = f"{type(value).__module__}:{type(value).__qualname__}"
    return {"$class": path} | {name: _describe(getattr(value, name, None), depth + 1) for name in fields}


def fields_of(value: Any) -> tuple[str, ...] | None:
    """The names of an object's fields; None of one that has none."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(field.name for field in dataclasses.fields(value))
    return None


def _key(key: Any) -> str:
    if type(key) is str:
        return _text(key)
    described = describe(key)
    return described if isinstance(described, str) else short(described, _LINE)


def _member(value: Enum) -> str:
    label = (value.name or value.value) if isinstance(value, Flag) else value.name
    return f"{type(value).__qualname__}.{label}"


def _text(value: str) -> str:
    """Text as it is, unless it is no Unicode: JSON could not carry that."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _float(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _bytes(value: bytes) -> str:
    more = "…" if len(value) > _BYTES_SHOWN else ""
    return f"{len(value)} bytes: {value[:_BYTES_SHOWN].hex()}{more}"


def _same(value: Any) -> Any:
    return value


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    NoneType: _same,
    bool: _same,
    int: _same,
    float: _float,
    str: _text,
    bytes: _bytes,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    Decimal: str,
    UUID: str,
}
