"""Lists in PostgreSQL's own binary form of an array.

psycopg looks at every element anew, which costs more than all else that a client does for a large group of jobs.
"""

from __future__ import annotations

import struct
from itertools import chain, repeat
from typing import TYPE_CHECKING, cast

from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.abc import AdaptContext

_TEXT, _BYTES, _INT, _BIG = 25, 17, 23, 20
_PLAIN = 128
"""Behind the letters, and the lengths, that take one byte."""
_NULL = b"\xff\xff\xff\xff"


class Array:
    """A list in its binary form."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Texts(Array):
    """Of strings."""

    __slots__ = ()


class Blobs(Array):
    """Of bytes."""

    __slots__ = ()


class Ints(Array):
    """Of 32 bits."""

    __slots__ = ()


class Bigs(Array):
    """Of 64 bits."""

    __slots__ = ()


class _Ready(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data


def register(context: AdaptContext) -> None:
    """Let a connection of psycopg take such lists as parameters."""
    for kind, oid in ((Texts, 1009), (Blobs, 1001), (Ints, 1007), (Bigs, 1016)):
        dumper = type(f"_{kind.__name__}", (_Ready,), {"oid": oid})
        context.adapters.register_dumper(kind, dumper)


def texts(values: Sequence[str | None]) -> Texts:
    """Pack strings; most often all are of one length, else neighbours are often the same one."""
    if (alike := _alike(values)) is not None:
        return Texts(_head(_TEXT, len(values)) + alike)
    packed = bytearray(_head(_TEXT, len(values)))
    last: str | None = None
    element = _NULL
    for value in values:
        if value is not last:
            last, element = value, _NULL if value is None else _element(value.encode())
        packed += element
    return Texts(bytes(packed))


def _alike(values: Sequence[str | None]) -> bytes | None:
    """The elements of one length, where they are so, short, and of plain letters: ids are, and names of a queue."""
    if None in values or len(lengths := set(map(len, cast("Sequence[str]", values)))) != 1:
        return None
    length = lengths.pop()
    if length >= _PLAIN:
        return None
    mark = "\0\0\0" + chr(length)
    joined = mark + mark.join(cast("Sequence[str]", values))
    return joined.encode() if joined.isascii() else None


def blobs(values: Sequence[bytes]) -> Blobs:
    """Pack bytes."""
    return Blobs(_head(_BYTES, len(values)) + b"".join(map(_element, values)))


def ints(values: Sequence[int]) -> Ints:
    """Pack small numbers.

    Raises:
        OverflowError: one is too large.
    """
    return Ints(_head(_INT, len(values)) + _numbers("ii", 4, values))


def bigs(values: Sequence[int | None]) -> Bigs:
    """Pack large numbers, or none at all.

    Raises:
        OverflowError: one is too large.
    """
    return Bigs(_head(_BIG, len(values)) + _bigs(values))


def _head(kind: int, count: int) -> bytes:
    return struct.pack("!5i", 1, 1, kind, count, 1) if count else struct.pack("!3i", 0, 0, kind)


def _element(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _numbers(form: str, size: int, values: Sequence[int | None]) -> bytes:
    try:
        return struct.pack("!" + form * len(values), *chain.from_iterable(zip(repeat(size), values, strict=False)))
    except struct.error as error:
        raise OverflowError(str(error)) from error


def _bigs(values: Sequence[int | None]) -> bytes:
    if None not in values:
        return _numbers("iq", 8, values)
    return b"".join(_NULL if value is None else _numbers("iq", 8, (value,)) for value in values)
