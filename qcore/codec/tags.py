"""The extension types of the wire, fixed for ever: stored jobs and newer code meet here."""

from __future__ import annotations

MAX_DEPTH = 100
"""Levels of nesting; deep enough for data, shallow enough for every stack that reads it."""


class Tag:
    """MessagePack extension codes, plain numbers as its encoder wants them, and what stands in each."""

    INTEGER = 1  # beyond 64 bits: two's complement, big-endian
    TEXT = 2  # not valid Unicode (lone surrogates): UTF-8 with surrogates
    TUPLE = 3  # the items
    SET = 4  # the items
    FROZENSET = 5  # the items
    MAPPING = 6  # a dict whose keys are not all text: key, value, key, value …
    DATETIME = 7  # ISO 8601 without zone, fold, zone
    DATE = 8  # ISO 8601
    TIME = 9  # ISO 8601 without zone, fold, zone
    TIMEDELTA = 10  # days, seconds, microseconds
    DECIMAL = 11  # its text
    UUID = 12  # 16 bytes
    PATH = 13  # class name (Path, PurePosixPath, PureWindowsPath), UTF-8 with surrogates
    ENUM = 14  # class, name
    FLAG = 15  # class, value
    DATACLASS = 16  # class, values by field
    STRUCT = 17  # class, values by field
    ENTITY = 18  # class, primary key as a list
    UNSET = 19  # msgspec.UNSET: empty
