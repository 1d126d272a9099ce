from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import codec_kinds as kinds
import msgspec
import pytest
from codec_kinds import Bits, Color, Derived, Fixed, Frozen, Given, Level, Outer, Point, Record, Right, Word, same
from hypothesis import given
from hypothesis import strategies as st

from qcore.codec import class_path, decode_arguments, decode_value, encode_arguments, encode_value
from qcore.codec.tags import MAX_DEPTH, Tag
from qcore.errors import PayloadError


def there_and_back(value: Any) -> Any:
    return decode_value(encode_value(value, what="the value"))


@given(kinds.values)
def test_every_value_comes_back_equal_and_of_the_same_type(value: Any) -> None:
    assert same(there_and_back(value), value)


@given(kinds.plain)
def test_plain_json_is_plain_messagepack(value: Any) -> None:
    data = encode_value(value, what="the value")
    assert same(msgspec.msgpack.decode(data), value)


@given(st.lists(kinds.values, max_size=3).map(tuple), st.dictionaries(st.text(max_size=5), kinds.values, max_size=3))
def test_arguments_come_back_by_position_and_by_name(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    back = decode_arguments(encode_arguments(args, kwargs, job="app:Job"))
    assert same(back, (args, kwargs))


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "value",
    [
        *[2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, -(10**400)],
        *[-0.0, float("nan"), float("inf"), float("-inf")],
        *[[], (), {}, set(), frozenset(), "", b""],
        *[{1: "a"}, {True: 1}, {None: {(1, 2): {3}}}, {(1, frozenset({(2, "x")})): [()]}, {"a": {b"b": 1}}],
        "\ud800 lone",
        {"\udcff": 1},
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
        datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(seconds=-61, microseconds=5))),
        datetime(2024, 1, 1, tzinfo=UTC),
        *[datetime(2024, 1, 1), date(2024, 2, 29), time(1, 2, 3, 4, tzinfo=UTC), time(2, 30, fold=1, tzinfo=BERLIN)],  # noqa: DTZ001
        *[timedelta(-1, 5, 7), timedelta.max, timedelta.min],
        *[Decimal("-0.00"), Decimal("1E+500"), Decimal("sNaN123"), Decimal("-Infinity")],
        *[Path(), Path("/a/b.txt"), Path("caf\udce9"), PurePosixPath("x")],
        *[Color.RED, Color.PAIR, Level.HIGH, Word.YES, Right.READ | Right.WRITE, Right(0), Bits(7), Outer.Inner.A],
        *[{Level.LOW: 1}, {Color.RED}, [Word.YES, "yes"]],
        *[Point([Point(1, (2,))], {3}), Frozen({4}), Outer.Nested(None)],
        *[Record("a"), Record("a", msgspec.UNSET), Record([Record(kinds.SOME_ID, None)], 2**70)],
    ],
    ids=lambda value: ascii(value).partition(" at 0x")[0],
)
def test_the_corners_come_back_as_they_left(value: Any) -> None:
    assert same(there_and_back(value), value)


def test_a_lone_true_is_not_one_and_a_lone_enum_is_not_its_value() -> None:
    assert there_and_back([True, 1, 1.0, Level.LOW]) == [True, 1, 1.0, Level.LOW]
    assert [type(one) for one in there_and_back([True, 1, 1.0, Level.LOW])] == [bool, int, float, Level]


def test_an_alias_comes_back_as_its_member() -> None:
    assert there_and_back(Color.CRIMSON) is Color.RED


def test_the_constructor_of_a_dataclass_runs_and_its_fields_stay_as_they_were() -> None:
    left = Derived(1)
    left.double = 77
    back = there_and_back(left)
    assert (back.count, back.double, back.note) == (2, 77, "made by the constructor")


def test_a_dataclass_whose_constructor_wants_more_is_restored_without_it() -> None:
    back = there_and_back(Given(1, seed=10))
    assert (type(back), back.value, back.extra) == (Given, 11, "x")


def test_a_struct_keeps_its_fields_whatever_its_post_init_does() -> None:
    assert there_and_back(Fixed(1, 5)).twice == 6


def test_a_field_that_was_never_set_stays_unset() -> None:
    left = Derived(1)
    del left.double
    object.__delattr__(left, "count")
    with pytest.raises(PayloadError, match="cannot be read"):  # its constructor needs it
        there_and_back(left)


def test_a_field_added_since_the_dispatch_has_its_default() -> None:
    old = _object(Tag.DATACLASS, "codec_kinds:Point", {"x": 1})
    assert decode_value(old) == Point(1, 0)
    old = _object(Tag.DATACLASS, "codec_kinds:Given", {"value": 1})
    assert decode_value(old).extra == "x"


@pytest.mark.parametrize(("tag", "path"), [(Tag.DATACLASS, "codec_kinds:Point"), (Tag.STRUCT, "codec_kinds:Record")])
def test_a_field_that_is_gone_is_an_error_and_not_dropped(tag: int, path: str) -> None:
    with pytest.raises(PayloadError, match='no field "old" here'):
        decode_value(_object(tag, path, {"old": 2}))


def test_the_class_path_is_the_home_of_the_class() -> None:
    assert class_path(Outer.Nested) == "codec_kinds:Outer.Nested"


def test_deep_values_travel_and_deeper_ones_are_refused_in_words() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = {2: (deep,)} if isinstance(deep, int) else [deep]
    with pytest.raises(PayloadError, match=f"nests deeper than {MAX_DEPTH} levels"):
        there_and_back(deep)
    assert there_and_back(deep[0]) == deep[0]


def test_plain_values_deeper_than_the_short_way_looks_travel_too() -> None:
    deep: Any = 1
    for _ in range(50):
        deep = {"a": [deep]}
    assert there_and_back(deep) == deep


def _object(tag: int, path: str, content: Any) -> bytes:
    """An object as somebody else may have written it."""
    inner = msgspec.msgpack.encode([path, content])
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(tag, inner))
