from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import codec_kinds as kinds
import msgspec
import pytest
from codec_kinds import Color, Frozen, Level, Point, Record, Right
from hypothesis import given
from hypothesis import strategies as st

from qcore.codec import describe, describe_arguments, describe_value, encode_arguments, encode_value, short, visible
from qcore.codec.tags import Tag


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x00\xff", "2 bytes: 00ff"),
        (b"a" * 100, "100 bytes: 61616161616161616161616161616161…"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00+00:00"),
        (date(2024, 1, 1), "2024-01-01"),
        (timedelta(minutes=1.5), 90.0),
        (Decimal("1.50"), "1.50"),
        (float("nan"), "nan"),
        (2**70, 2**70),
        ((1, {2}), [1, [2]]),
        ({(1, 2): Path("/a")}, {"[1, 2]": "/a"}),
        ({Level.LOW: 1, None: 2}, {"Level.LOW": 1, "None": 2}),
        (Color.RED, "Color.RED"),
        (Right(0), "Right.0"),
        (Point(1, b""), {"$class": "codec_kinds:Point", "x": 1, "y": "0 bytes: "}),
        (Record("a"), {"$class": "codec_kinds:Record", "name": "a", "size": "UNSET"}),
        ("lone \ud800", "lone \\ud800"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_values_are_described_for_people_and_json(value: Any, shown: Any) -> None:
    assert describe(value) == shown


@given(kinds.values)
def test_every_description_is_json(value: Any) -> None:
    json.dumps(describe(value), allow_nan=False).encode()
    json.dumps(describe_value(encode_value(value, what="")), allow_nan=False).encode()


def test_arguments_are_described_without_importing_what_they_name() -> None:
    inner = msgspec.msgpack.encode(["never_imported:Point", {"x": 1}])
    data = msgspec.msgpack.encode([[msgspec.msgpack.Ext(Tag.DATACLASS, inner)], {"c": 1}])
    assert describe_arguments(data) == {"args": [{"$class": "never_imported:Point", "x": 1}], "kwargs": {"c": 1}}
    assert "never_imported" not in sys.modules


def test_objects_are_described_the_same_from_bytes_and_from_life() -> None:
    value = [Point(Frozen((1,)), Color.RED), Record(None, 3), {Frozen(1)}]
    data = encode_arguments((value,), {}, job="app:Job")
    assert describe_arguments(data)["args"][0][:2] == describe(value)[:2]


# --- one line -----------------------------------------------------------------------------------------------------


class Loud:
    def __repr__(self) -> str:
        return "\x1b[31mred\x1b[0m\n"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a\x1b[31m\nb", r"'a\x1b[31m\nb'"),
        (["\x9b2J", b"\x07"], r"['\x9b2J', b'\x07']"),
        ("\u202egnp.exe", r"'\u202egnp.exe'"),
        (Loud(), r"\x1b[31mred\x1b[0m\n"),
        ([Broken()], "[<Broken>]"),
        ((1,), "(1,)"),
        ({"a": (1, 2), 3: {4}}, "{'a': (1, 2), 3: {4}}"),
        (frozenset({1}), "frozenset({1})"),
        (set(), "set()"),
        ({}, "{}"),
        ("grün 🎉", "'grün 🎉'"),
    ],
    ids=range(11),
)
def test_one_line_shows_what_a_terminal_would_obey(value: Any, line: str) -> None:
    assert short(value) == line


@given(kinds.values, st.integers(1, 60))
def test_one_line_is_one_line_of_that_width(value: Any, width: int) -> None:
    line = short(value, width)
    assert len(line) <= width
    assert line.isprintable()


def test_a_long_value_is_cut_and_says_so() -> None:
    assert short("x" * 1_000, 10) == "'xxxxxxxx…"
    assert short([*range(1_000_000)], 12) == "[0, 1, 2, 3…"


def test_a_value_that_contains_itself_has_one_line_all_the_same() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert short(cycle, 10) == "[[[[[[[[[…"
    assert "…" in short(cycle, 1_000)


def test_visible_text_stays_as_it_is() -> None:
    assert visible("plain — grün") == "plain — grün"
    assert visible("a\tb\x00\ud800") == r"a\tb\x00\ud800"
