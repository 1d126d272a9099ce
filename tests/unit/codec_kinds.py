"""Classes that travel in the tests of the codec, strategies for every kind of value, and a strict comparison."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st


class Color(enum.Enum):
    RED = "red"
    CRIMSON = "red"  # noqa: PIE796  an alias is the point
    PAIR = (1, object())


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Bits(enum.IntFlag):
    A = 1
    B = 4


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    value: Any
    made: list[int] = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass
class Derived:
    """Its constructor changes what it was given, and leaves something that is no field."""

    count: int
    double: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.count += 1
        self.double = self.count * 2
        self.note = "made by the constructor"


@dataclasses.dataclass
class Given:
    """Its constructor asks for more than its fields."""

    value: int
    seed: dataclasses.InitVar[int]
    extra: str = "x"

    def __post_init__(self, seed: int) -> None:
        self.value += seed


class Child(Point):
    """Inherits from a dataclass without being one."""


class Record(msgspec.Struct):
    name: Any
    size: Any = msgspec.UNSET


class Fixed(msgspec.Struct, frozen=True):
    value: Any
    twice: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "twice", self.twice + 1)


class Outer:
    class Inner(enum.Enum):
        A = 1

    @dataclasses.dataclass
    class Nested:
        value: Any


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of the same types all the way down; nan is itself, -0.0 is not 0.0."""
    return bool(_exactly(left) == _exactly(right))


def _exactly(value: Any) -> Any:
    """A value with every type in it spelled out, so that `==` confuses nothing."""
    for kinds, spell in _SPELLINGS.items():
        if isinstance(value, kinds):
            return (type(value), spell(value))
    return (type(value), value)


def _fields(value: Any) -> Any:
    names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else value.__dataclass_fields__
    return tuple(_exactly(getattr(value, name)) for name in names)


def _moment(value: datetime | time) -> Any:
    zone = value.tzinfo
    return (value.replace(tzinfo=None).isoformat(), value.fold, type(zone), str(zone), getattr(zone, "key", None))


_SPELLINGS: dict[Any, Callable[[Any], Any]] = {
    float: repr,
    Decimal: Decimal.as_tuple,
    (list, tuple): lambda value: tuple(map(_exactly, value)),
    (set, frozenset): lambda value: frozenset(map(_exactly, value)),
    dict: lambda value: frozenset((_exactly(key), _exactly(item)) for key, item in value.items()),
    (datetime, time): _moment,
    (Point, Frozen, Outer.Nested, msgspec.Struct): _fields,
}


offsets = st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23))
zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.builds(timezone, offsets),
    st.builds(timezone, offsets, st.text(max_size=5)),
    st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), ZoneInfo("America/St_Johns")]),
)
fixed_zones = st.one_of(st.none(), st.builds(timezone, offsets), st.just(ZoneInfo("Europe/Berlin")))
texts = st.text(st.characters(codec=None), max_size=12)  # lone surrogates too
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    texts,
    st.binary(max_size=12),
    st.builds(lambda value, fold: value.replace(fold=fold), st.datetimes(timezones=zones), st.integers(0, 1)),
    st.dates(),
    st.builds(lambda value, fold: value.replace(fold=fold), st.times(timezones=fixed_zones), st.integers(0, 1)),
    st.timedeltas(),
    st.decimals().filter(lambda value: not value.is_snan()),
    st.uuids(),
    st.builds(Path, st.text(st.characters(exclude_characters="\0"), max_size=8)),
    st.builds(PurePosixPath, st.just("a/b")),
    st.builds(PureWindowsPath, st.just(r"C:\a\b")),
    st.sampled_from([*Color, *Level, *Word, *Right, Right.READ | Right.WRITE, Right(0), Bits(7), Outer.Inner.A]),
)
hashables = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3), st.builds(Frozen, inner)
    ),
    max_leaves=6,
)
values = st.recursive(
    st.one_of(scalars, hashables, st.just(Decimal("sNaN7"))),  # a signalling one has no hash
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(texts, inner, max_size=3),
        st.dictionaries(hashables, inner, max_size=3),
        st.sets(hashables, max_size=3),
        st.builds(Point, inner, inner),
        st.builds(Outer.Nested, inner),
        st.builds(Record, inner, st.one_of(inner, st.just(msgspec.UNSET))),
    ),
    max_leaves=12,
)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)
SOME_ID = uuid.UUID("01234567-89ab-7fff-bfff-ffffffffffff")
