"""The window of a throttle, for any coming and going of jobs."""

from __future__ import annotations

from collections import deque
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from qcore.middleware import ThrottleMiddleware, throttle

GAPS = st.lists(st.integers(0, 1280).map(lambda n: n / 64), max_size=60)  # sums of 64ths are exact
WINDOWS = st.integers(32, 1920).map(lambda n: n / 64)


@given(most=st.integers(1, 5), per_s=WINDOWS, gaps=GAPS)
def test_no_window_ever_holds_more(most: int, per_s: float, gaps: list[float]) -> None:
    layer, begun, now, begins = ThrottleMiddleware(most, per_s), deque[float](), 1000.0, list[float]()
    with patch.object(throttle.time, "monotonic", lambda: now):
        for gap in gaps:
            now += gap
            if not layer._take(begun):
                begins.append(now)
    assert all(late - early >= per_s for early, late in zip(begins, begins[most:], strict=False))
    assert len(begun) <= most


@given(most=st.integers(1, 5), per_s=WINDOWS, gaps=GAPS)
def test_one_that_waited_as_long_as_it_was_told_may_begin(most: int, per_s: float, gaps: list[float]) -> None:
    layer, begun, now = ThrottleMiddleware(most, per_s), deque[float](), 1000.0
    with patch.object(throttle.time, "monotonic", lambda: now):
        for gap in gaps:
            now += gap
            wait_s = layer._take(begun)
            assert 0 <= wait_s <= per_s
            if wait_s:
                now += wait_s
                assert layer._take(begun) == 0
