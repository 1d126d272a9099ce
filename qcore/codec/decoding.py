"""Bytes to values. Whatever the bytes are, they give a value or a `PayloadError`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import msgspec

from qcore.codec.classes import build_dataclass, build_struct, find_entity, find_enum, find_flag
from qcore.codec.tags import Tag
from qcore.errors import PayloadError, QueueError, SignatureError

LoadEntity = Callable[[type, tuple[Any, ...]], Any]
"""Given a mapped class and a primary key (a value for each of its columns), the entity or None."""

_TEXT_ALONE = {str}
_DAMAGED = "the payload is damaged"


def decode_arguments(data: bytes, *, load_entity: LoadEntity | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Decode what `encode_arguments` made.

    Args:
        data: the bytes, verified already: classes that they name are imported.
        load_entity: loads an entity anew; what it raises passes through.

    Returns:
        Arguments by position and by name.

    Raises:
        PayloadError: damaged bytes, a class that is gone or changed, an entity that is gone.
    """
    return split_arguments(decode_with(lambda: Reader(load_entity), data, "the arguments"))


def decode_value(
    data: bytes, *, load_entity: LoadEntity | None = None, what: str = "the value", is_vouched: bool = True
) -> Any:
    """Decode what `encode_value` made.

    Args:
        data: the bytes.
        load_entity: loads an entity anew; what it raises passes through.
        what: names it in the error.
        is_vouched: they were verified: classes that they name are imported, and else refused.

    Raises:
        PayloadError: damaged bytes, a class that is gone or changed, an entity that is gone.
        SignatureError: they name a class, and nobody vouches for them.
    """
    return decode_with(lambda: Reader(load_entity) if is_vouched else _Wary(), data, what)


def split_arguments(decoded: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check the outer form of arguments: a list, and a dict by name.

    Raises:
        PayloadError: another form.
    """
    if type(decoded) is list and len(decoded) == 2:  # noqa: PLR2004  arguments by position, and by name
        args, kwargs = decoded
        if type(args) is list and type(kwargs) is dict and (not kwargs or {*map(type, kwargs)} <= _TEXT_ALONE):
            return tuple(args), kwargs
    raise PayloadError("the arguments cannot be read: they are no list and dict", hint=_DAMAGED)


def decode_with(reader: Callable[[], Reader], data: bytes, what: str) -> Any:
    """Decode, and turn whatever goes wrong into a `PayloadError` about `what`.

    Args:
        reader: makes what rebuilds tagged values; not called where there is none.
        data: the bytes.
        what: names them in the error.

    Raises:
        PayloadError: damaged bytes, or a class or entity that is gone or changed.
    """
    try:
        try:
            return _decode_plain(data)
        except _Tagged:
            return reader().decode(data)
    except _LoadingFailed as failed:
        raise failed.error from None
    except QueueError:
        raise
    except Exception as error:
        # Bytes can be wrong in every way, and classes of the user's have errors of their own.
        raise PayloadError(f"{what} cannot be read: {type(error).__name__}: {error}", hint=_DAMAGED) from error


class Reader:
    """Rebuilds values from their tags."""

    def __init__(self, load_entity: LoadEntity | None = None) -> None:
        self._load_entity = load_entity
        self.decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=self._rebuild).decode

    def enum(self, path: str, name: str) -> Any:
        """Find a member by its name; its class is never called."""
        return find_enum(path).__members__[name]

    def flag(self, path: str, value: int) -> Any:
        """Combine the members of a flag."""
        if type(value) is not int:
            raise TypeError("a flag's value is a whole number")
        return find_flag(path)(value)

    def dataclass(self, path: str, values: dict[str, Any]) -> Any:
        """Build a dataclass instance."""
        return build_dataclass(path, values)

    def struct(self, path: str, values: dict[str, Any]) -> Any:
        """Build a `msgspec.Struct`."""
        return build_struct(path, values)

    def entity(self, path: str, key: list[Any]) -> Any:
        """Load an entity."""
        cls = find_entity(path)
        if self._load_entity is None:
            raise PayloadError(
                f'an entity of "{path}" cannot be loaded: no sessions are configured',
                hint="give the worker a session factory: QueueManager.sessions(factory)",
            )
        try:
            found = self._load_entity(cls, tuple(key))
        except Exception as error:
            raise _LoadingFailed(error) from error
        if found is None:
            shown = ", ".join(map(str, key))
            raise PayloadError(f'"{path}" with the primary key {shown} is no longer in the database')
        return found

    def _rebuild(self, code: int, data: memoryview) -> Any:
        simple = _SIMPLE.get(code)
        if simple is not None:
            return simple(data)
        content = self.decode(data)
        collect = _FROM_CONTENT.get(code)
        if collect is not None:
            return collect(content)
        build = _BUILDERS.get(code)
        if build is None:
            raise PayloadError(f"unknown type code {code}", hint="was it written by a newer version of qctl?")
        return build(self, *content)


class _Wary(Reader):
    """Imports nothing, and calls nobody's code: anybody may have written what it reads."""

    def _rebuild(self, code: int, data: memoryview) -> Any:
        if code in _BUILDERS:
            raise SignatureError(
                "it holds a value of a class, nobody signed it, and keys are configured here",
                hint="it was stored by a worker without a key, or planted",
            )
        return super()._rebuild(code, data)


class _LoadingFailed(Exception):  # noqa: N818  carries the error of a session past those of the payload
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Tagged(Exception):  # noqa: N818  no error: the plain reading ends here and the other begins
    pass


def _stop(_code: int, _data: memoryview) -> Any:
    raise _Tagged


_decode_plain = msgspec.msgpack.Decoder(ext_hook=_stop).decode


def _zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    offset, *name = zone
    return timezone(timedelta(microseconds=offset), *name)


def _datetime(content: Any) -> datetime:
    bare, fold, zone = content
    return datetime.fromisoformat(bare).replace(fold=fold, tzinfo=_zone(zone))


def _time(content: Any) -> time:
    bare, fold, zone = content
    return time.fromisoformat(bare).replace(fold=fold, tzinfo=_zone(zone))


def _path(content: Any) -> Any:
    kind, text = content
    return _PATHS[kind](text.decode("utf-8", "surrogatepass"))


def _mapping(content: Any) -> dict[Any, Any]:
    return dict(zip(content[::2], content[1::2], strict=True))


def _unset(_: memoryview) -> msgspec.UnsetType:
    return msgspec.UNSET


_PATHS = {"Path": Path, "PurePosixPath": PurePosixPath, "PureWindowsPath": PureWindowsPath}
_SIMPLE: dict[int, Callable[[memoryview], Any]] = {
    Tag.INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    Tag.TEXT: lambda data: bytes(data).decode("utf-8", "surrogatepass"),
    Tag.UUID: lambda data: UUID(bytes=bytes(data)),
    Tag.UNSET: _unset,
}
_FROM_CONTENT: dict[int, Callable[[Any], Any]] = {
    Tag.TUPLE: tuple,
    Tag.SET: set,
    Tag.FROZENSET: frozenset,
    Tag.MAPPING: _mapping,
    Tag.DATETIME: _datetime,
    Tag.DATE: date.fromisoformat,
    Tag.TIME: _time,
    Tag.TIMEDELTA: lambda content: timedelta(*content),
    Tag.DECIMAL: Decimal,
    Tag.PATH: _path,
}
_BUILDERS: dict[int, Callable[..., Any]] = {
    Tag.ENUM: lambda reader, *content: reader.enum(*content),
    Tag.FLAG: lambda reader, *content: reader.flag(*content),
    Tag.DATACLASS: lambda reader, *content: reader.dataclass(*content),
    Tag.STRUCT: lambda reader, *content: reader.struct(*content),
    Tag.ENTITY: lambda reader, *content: reader.entity(*content),
}
