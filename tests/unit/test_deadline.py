"""The soft timeout: an alarm that raises in the attempt, and only there."""

from __future__ import annotations

import signal
import time

import pytest

from qcore.errors import JobTimeout
from qcore.worker.deadline import Deadline, Interrupted


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_an_attempt_past_its_limit_is_interrupted() -> None:
    with Deadline() as deadline:
        deadline.begin(0.05)
        with pytest.raises(JobTimeout, match=r"longer than its timeout of 0\.05 s"):
            spin(5)
        deadline.end()


def test_an_ended_attempt_is_left_alone() -> None:
    with Deadline() as deadline:
        deadline.begin(0.02)
        deadline.end()
        spin(0.06)


def test_the_next_attempt_has_its_own_limit() -> None:
    with Deadline() as deadline:
        deadline.begin(0.03)
        deadline.end()
        deadline.begin(5)
        spin(0.08)  # the first one's alarm rings in here
        deadline.end()
        deadline.begin(0.03)
        with pytest.raises(JobTimeout):
            spin(5)
        deadline.end()


def test_a_shorter_limit_after_a_longer_one_is_kept() -> None:
    with Deadline() as deadline:
        deadline.begin(30)
        deadline.end()
        deadline.begin(0.05)
        with pytest.raises(JobTimeout):
            spin(1)
        deadline.end()


def test_no_limit_is_no_limit() -> None:
    with Deadline() as deadline:
        deadline.begin(0)
        spin(0.05)
        deadline.end()


def test_a_stop_interrupts_what_outlasts_its_patience() -> None:
    with Deadline() as deadline:
        deadline.begin(0)
        deadline.stop_within(0.05)
        with pytest.raises(Interrupted):
            spin(5)
        deadline.end()


def test_the_alarm_is_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Deadline() as deadline:
        deadline.begin(10)
        deadline.end()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
