"""Lists in PostgreSQL's binary form say what they are made of, whichever way they are packed."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

arrays = pytest.importorskip("qcore.drivers.database.dialects.arrays", reason="psycopg is not installed")

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def read(packed: bytes) -> Iterator[str | None]:
    """What an array of strings holds."""
    dimensions, _, kind = struct.unpack_from("!3i", packed)
    assert kind == 25
    count = struct.unpack_from("!i", packed, 12)[0] if dimensions else 0
    at = 20
    for _ in range(count):
        (length,) = struct.unpack_from("!i", packed, at)
        at += 4
        yield None if length < 0 else packed[at : at + length].decode()
        at += max(0, length)
    assert at in {20, len(packed)}


@given(st.lists(STRINGS | st.none(), max_size=8))
def test_strings(values: list[str | None]) -> None:
    assert list(read(arrays.texts(values).data)) == values


@given(st.integers(0, 300), st.integers(0, 5), st.sampled_from("aé"))
def test_strings_of_one_length(length: int, count: int, letter: str) -> None:
    values = [letter * length] * count
    assert list(read(arrays.texts(values).data)) == values


def test_a_very_long_string() -> None:
    values = ["a" * 1_200_000]
    assert list(read(arrays.texts(values).data)) == values
