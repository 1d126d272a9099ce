from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.backoff import DEFAULT, Exponential, exponential, normalize, pause_s


def test_the_default_doubles_from_five_seconds_up_to_an_hour() -> None:
    assert Exponential(5.0, 3600.0, jitter=True) == DEFAULT == exponential()


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (5, 5.0),
        (0, 0.0),
        (timedelta(minutes=1), 60.0),
        ([1, 2.5, timedelta(seconds=3)], (1.0, 2.5, 3.0)),
        ((7,), (7.0,)),
        (exponential(1, 2), exponential(1, 2)),
    ],
)
def test_every_way_to_write_it_becomes_one_of_three_forms(given: Any, normal: Any) -> None:
    assert normalize(given) == normal
    assert type(normalize(given)) is type(normal)


@pytest.mark.parametrize("given", [-1, [1, -0.5], timedelta(seconds=-1), [], (), "5", None, {1: 2}])
def test_what_is_no_backoff_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^backoff: "):
        normalize(given)


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (1, 0), (-1, 5)])
def test_an_exponential_backoff_needs_seconds_above_zero(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 seconds"):
        exponential(base, cap)


def test_a_number_is_the_same_pause_each_time() -> None:
    assert [pause_s(3.0, failures) for failures in (1, 2, 50)] == [3.0, 3.0, 3.0]


def test_the_last_of_a_list_repeats() -> None:
    assert [pause_s((1.0, 5.0, 9.0), failures) for failures in (1, 2, 3, 4, 99)] == [1.0, 5.0, 9.0, 9.0, 9.0]


def test_without_jitter_pauses_double_up_to_the_roof() -> None:
    backoff = exponential(5, 60, jitter=False)
    assert [pause_s(backoff, failures) for failures in (1, 2, 3, 4, 5, 10_000)] == [5, 10, 20, 40, 60, 60]


@given(st.floats(0.01, 100), st.floats(0.01, 10_000), st.integers(1, 10_000))
def test_jitter_keeps_to_the_upper_half_of_the_pause(base: float, cap: float, failures: int) -> None:
    whole = pause_s(exponential(base, cap, jitter=False), failures)
    assert whole / 2 <= pause_s(exponential(base, cap), failures) <= whole <= cap


def test_jitter_spreads_jobs_that_failed_together() -> None:
    assert len({pause_s(DEFAULT, 5) for _ in range(20)}) > 10


def test_a_backoff_keeps_its_values_on_its_way_through_a_payload() -> None:
    left = exponential(1, 2, jitter=False)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(left), type=Exponential) == left
