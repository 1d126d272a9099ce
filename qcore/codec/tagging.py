"""The long way out: a walk that tags what MessagePack does not know, and refuses what cannot travel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec

from qcore.codec.advice import advice, kind_name
from qcore.codec.classes import class_path, is_dataclass
from qcore.codec.tags import MAX_DEPTH, Tag
from qcore.codec.text import short
from qcore.errors import PayloadError

_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_KEY_WIDTH = 40
_STEPS_SHOWN = 12
_encode = msgspec.msgpack.Encoder().encode


class Refused(Exception):  # noqa: N818  becomes a PayloadError where the argument's name is known
    """A value that cannot travel; the path grows while the walk unwinds."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self._steps: list[str] = []

    @property
    def path(self) -> str:
        """The way to it from the outermost value, as Python would write it; empty for that value itself."""
        steps = self._steps[::-1]
        if len(steps) > _STEPS_SHOWN:
            steps = [*steps[: _STEPS_SHOWN - 2], "…", *steps[-2:]]
        return "".join(steps)

    def inside(self, step: str) -> Refused:
        """Add the step that led here."""
        self._steps.append(step)
        return self


def tagged(value: Any) -> Any:
    """Turn a value into one that MessagePack can write.

    Raises:
        Refused: something in it cannot travel.
    """
    try:
        return _Walk().tag(value)
    except RecursionError:
        raise Refused(
            "cannot be encoded from here: the call stack is almost full",
            "dispatch from a function that is not so deep in a recursion",
        ) from None


class _Walk:
    """One pass over one value; remembers the containers it stands in, against cycles and bottomless nesting."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def tag(self, value: Any) -> Any:
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            return simple(value)
        if id(value) in self._open:
            raise Refused("contains itself", "pass ids in place of objects that refer to each other")
        if len(self._open) >= MAX_DEPTH:
            raise Refused(f"nests deeper than {MAX_DEPTH} levels", "pass a path or an id, and load it in `handle`")
        self._open.add(id(value))
        result = self._tag_compound(value)
        self._open.discard(id(value))
        return result

    def _tag_compound(self, value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            return self._mapping(value)
        if kind is list:
            return self._items(value)
        if kind in _COLLECTIONS:
            return _extension(_COLLECTIONS[kind], self._items(value, indexed=kind is tuple))
        if isinstance(value, Enum):
            return _enum(value)
        if isinstance(value, PurePath):
            return _path(value)
        return self._object(value)

    def _items(self, values: Iterable[Any], *, indexed: bool = True) -> list[Any]:
        done: list[Any] = []
        try:
            for value in values:
                done.append(self.tag(value))  # noqa: PERF401  the length so far names the place of an error
        except Refused as refused:
            raise refused.inside(f"[{len(done)}]" if indexed else "{…}") from None
        return done

    def _mapping(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and _is_unicode(key) for key in value):
            return {key: self._entry(key, item) for key, item in value.items()}
        pairs: list[Any] = []
        for key, item in value.items():
            try:
                pairs.append(self.tag(key))
            except Refused as refused:
                raise refused.inside(f" key {short(key, _KEY_WIDTH)}") from None
            pairs.append(self._entry(key, item))
        return _extension(Tag.MAPPING, pairs)

    def _entry(self, key: Any, item: Any) -> Any:
        try:
            return self.tag(item)
        except Refused as refused:
            raise refused.inside(f"[{short(key, _KEY_WIDTH)}]") from None

    def _object(self, value: Any) -> msgspec.msgpack.Ext:
        if "_sa_instance_state" in getattr(value, "__dict__", ()):
            return self._entity(value)
        if isinstance(value, msgspec.Struct):
            return self._fields(Tag.STRUCT, value, value.__struct_fields__)
        if is_dataclass(type(value)) and not isinstance(value, _CARRIERS):
            return self._fields(Tag.DATACLASS, value, (field.name for field in dataclasses.fields(value)))
        raise Refused(f"is a {kind_name(value)}, which cannot travel", advice(value))

    def _fields(self, tag: int, value: Any, names: Iterable[str]) -> msgspec.msgpack.Ext:
        values: dict[str, Any] = {}
        for name in names:
            try:
                values[name] = self.tag(getattr(value, name))
            except Refused as refused:
                raise refused.inside(f".{name}") from None
            except AttributeError:  # a field that was never set stays so
                continue
        return _extension(tag, [_class_of(value), values])

    def _entity(self, value: Any) -> msgspec.msgpack.Ext:
        identity = value._sa_instance_state.key  # noqa: SLF001  SQLAlchemy's own mark; nothing is imported
        if identity is None:
            raise Refused(
                f"is a {kind_name(value)} that the database does not know yet, so it has no primary key",
                "flush or commit its session before the dispatch",
            )
        try:
            key = self._items(identity[1])
        except Refused as refused:
            raise refused.inside(" primary key") from None
        return _extension(Tag.ENTITY, [_class_of(value), key])


def _extension(tag: int, content: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(tag, _encode(content))


def _class_of(value: Any) -> str:
    cls: type = type(value)
    try:
        return class_path(cls)
    except PayloadError as error:
        raise Refused(f"is a {kind_name(value)}, which no worker can find: {error.message}", error.hint) from None


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: str) -> Any:
    return value if _is_unicode(value) else msgspec.msgpack.Ext(Tag.TEXT, value.encode("utf-8", "surrogatepass"))


def _integer(value: int) -> Any:
    if _LOWEST <= value <= _HIGHEST:
        return value
    return msgspec.msgpack.Ext(Tag.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _enum(value: Enum) -> msgspec.msgpack.Ext:
    if isinstance(value, Flag):
        return _extension(Tag.FLAG, [_class_of(value), _integer(value.value)])
    if type(value).__members__.get(value.name) is not value:
        raise Refused(f"is a member that {kind_name(value)} does not list", "pass its value")
    return _extension(Tag.ENUM, [_class_of(value), value.name])


def _path(value: PurePath) -> msgspec.msgpack.Ext:
    kind = _PATHS.get(type(value))
    if kind is None:
        raise Refused(f"is a {kind_name(value)}, which cannot travel", "pass Path(value)")
    return _extension(Tag.PATH, [kind, str(value).encode("utf-8", "surrogatepass")])


def _datetime(value: datetime) -> msgspec.msgpack.Ext:
    bare = value.replace(tzinfo=None).isoformat()
    return _extension(Tag.DATETIME, [bare, value.fold, _zone(value.tzinfo)])


def _time(value: time) -> msgspec.msgpack.Ext:
    bare = value.replace(tzinfo=None).isoformat()
    return _extension(Tag.TIME, [bare, value.fold, _zone(value.tzinfo)])


def _zone(zone: tzinfo | None) -> Any:
    """None, an IANA key, or a fixed offset: its microseconds and, if it has one of its own, its name."""
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        named = [] if name == timezone(offset).tzname(None) else [name]
        return [offset // timedelta(microseconds=1), *named]
    from zoneinfo import ZoneInfo

    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    shown = short(zone, _KEY_WIDTH)
    raise Refused(f"has the zone {shown}, which cannot travel", "use zoneinfo.ZoneInfo or datetime.timezone")


def _timedelta(value: timedelta) -> msgspec.msgpack.Ext:
    return _extension(Tag.TIMEDELTA, [value.days, value.seconds, value.microseconds])


def _same(value: Any) -> Any:
    return value


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    NoneType: _same,
    bool: _same,
    float: _same,
    bytes: _same,
    str: _text,
    int: _integer,
    datetime: _datetime,
    date: lambda value: _extension(Tag.DATE, value.isoformat()),
    time: _time,
    timedelta: _timedelta,
    Decimal: lambda value: _extension(Tag.DECIMAL, str(value)),
    UUID: lambda value: msgspec.msgpack.Ext(Tag.UUID, value.bytes),
    msgspec.UnsetType: lambda _: msgspec.msgpack.Ext(Tag.UNSET, b""),
}
_PATHS: dict[type, str] = {
    PosixPath: "Path",
    WindowsPath: "Path",
    PurePosixPath: "PurePosixPath",
    PureWindowsPath: "PureWindowsPath",
}
_COLLECTIONS: dict[type, int] = {tuple: Tag.TUPLE, set: Tag.SET, frozenset: Tag.FROZENSET}
_CARRIERS = (str, bytes, int, float, list, tuple, dict, set, frozenset, BaseException)
"""Bases with a content of their own, which the fields of a dataclass do not tell."""
