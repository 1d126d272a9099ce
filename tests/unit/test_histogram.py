"""Counts by size: close to the truth, at any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.histogram import bounds, bucket_of, digits_beyond, quantiles, typical

VALUES = st.integers(0, 2**52)


@given(VALUES)
def test_a_value_lies_in_its_bucket(value: int) -> None:
    low, above = bounds(bucket_of(value))
    assert low <= value < above


@given(VALUES, VALUES)
def test_larger_values_lie_in_no_smaller_buckets(one: int, other: int) -> None:
    assert (bucket_of(one) < bucket_of(other)) <= (one < other)


@given(VALUES)
def test_a_bucket_stands_for_its_values_within_four_percent(value: int) -> None:
    assert typical(bucket_of(value)) == pytest.approx(value, rel=0.04)


def test_what_is_below_nothing_is_nothing() -> None:
    assert bucket_of(-1) == bucket_of(0) == 0


@given(st.integers(-10, 2**52), VALUES)
def test_digits_that_make_no_difference(least: int, more: int) -> None:
    digits = digits_beyond(least)
    for value in (least, least + more):
        assert bucket_of(value >> digits << digits) == bucket_of(value)


@given(st.lists(VALUES, min_size=1, max_size=200), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_quantiles_are_those_of_the_values(values: list[int], shares: list[float]) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    ordered = sorted(values)
    for share, found in zip(sorted(shares), quantiles(counts, sorted(shares)), strict=True):
        rank = max(1, -(-share * len(ordered) // 1))
        assert found == pytest.approx(ordered[int(rank) - 1], rel=0.04)
