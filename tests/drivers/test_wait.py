"""Wait: until there is work, and not a busy poll longer."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fakes.leases import await_reclaim
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, completed, envelope, failed, released
from fakes.worker import FakeWorker
from processes import run_together

LONG_S = 20.0
SOON_S = 2.5
"""A wait that is ended is over by then, even on a loaded machine."""


def waits_until(driver: Any, act: Callable[[], Any], *queues: str) -> float:
    """Seconds until a worker got a job, after another thread acted while it waited."""
    worker = FakeWorker(driver, *queues)
    began = time.monotonic()
    with shortly(act):
        worker.await_one(within_s=LONG_S)
    return time.monotonic() - began


@contextmanager
def shortly(act: Callable[[], Any]) -> Iterator[None]:
    """Act in another thread a moment from now."""
    timer = threading.Timer(0.1, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def restless(driver: Any, seconds: float) -> int:
    """How often a wait returns in a time in which there is no work to be had."""
    worker = FakeWorker(driver)
    returns = 0
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        driver.wait(worker.queues, left_s)
        returns += 1
        assert list(worker.reserve()) == []
    return returns


def test_work_is_there(driver: Any) -> None:
    driver.push([envelope()])
    began = time.monotonic()
    assert driver.wait(["other", "default"], LONG_S)
    assert time.monotonic() - began < SOON_S


def test_it_ends_with_its_time(driver: Any) -> None:
    began = time.monotonic()
    driver.wait(["default"], 0.2)
    assert time.monotonic() - began < SOON_S
    driver.wait(["default"], 0)
    driver.wait(["default"], -1)


def test_without_work_it_rests(driver: Any) -> None:
    driver.push([envelope("other"), envelope(delay_s=HOUR_S)])
    began_s = time.process_time()
    assert restless(driver, 0.4) <= 5
    assert time.process_time() - began_s < 0.3


def test_a_paused_queue_has_no_work(driver: Any) -> None:
    driver.push([envelope()])
    driver.pause("default")
    assert restless(driver, 0.4) <= 5


def test_a_push_of_this_driver_ends_it(driver: Any) -> None:
    assert waits_until(driver, lambda: driver.push([envelope()])) < SOON_S


def test_a_push_of_another_driver_ends_it(driver: Any, store: StoreUnderTest) -> None:
    other = store.share(driver)
    assert waits_until(driver, lambda: other.push([envelope("b")]), "a", "b") < SOON_S


def test_a_push_of_another_process_ends_it(driver: Any, store: StoreUnderTest) -> None:
    store.share(driver)
    took_s = run_together(store.settings(), wait_or_push, [("wait",), ("push",)])[0]
    assert took_s < SOON_S


def test_each_push_ends_it(driver: Any, store: StoreUnderTest) -> None:
    other = store.share(driver)
    worker = FakeWorker(driver)
    for _ in range(3):
        with shortly(lambda: other.push([envelope()])):
            driver.settle([completed(worker.await_one(within_s=SOON_S))])


def test_a_job_that_becomes_due_ends_it(driver: Any) -> None:
    driver.push([envelope(delay_s=HOUR_S), envelope(delay_s=0.3)])
    began = time.monotonic()
    FakeWorker(driver).await_one(within_s=LONG_S)
    assert 0.2 < time.monotonic() - began < SOON_S


def test_a_delayed_push_while_it_waits_ends_it_in_time(driver: Any) -> None:
    assert 0.3 < waits_until(driver, lambda: driver.push([envelope(delay_s=0.3)])) < SOON_S


def test_a_sooner_job_than_the_one_waited_for_ends_it(driver: Any) -> None:
    driver.push([envelope(delay_s=HOUR_S)])
    assert waits_until(driver, lambda: driver.push([envelope()])) < SOON_S


def test_a_release_ends_it(driver: Any) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    assert waits_until(driver, lambda: driver.settle([released(lease)])) < SOON_S


def test_a_next_step_ends_it(driver: Any) -> None:
    driver.push([envelope()])
    end = completed(FakeWorker(driver).reserve_one(), pushes=(envelope("next", bypass_capacity=True),))
    assert waits_until(driver, lambda: driver.settle([end]), "next") < SOON_S


def test_a_retry_ends_it(driver: Any) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    driver.settle([failed(lease)])
    assert waits_until(driver, lambda: driver.retry([lease.id])) < SOON_S


def test_a_reclaim_ends_it(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    driver.push([envelope()])
    FakeWorker(driver).reserve_one()
    assert waits_until(driver, lambda: await_reclaim(store_again(store, driver), 1)) < SOON_S


def test_a_resume_ends_it(driver: Any) -> None:
    driver.push([envelope()])
    driver.pause("default")
    assert waits_until(driver, lambda: driver.resume("default")) < SOON_S


def test_the_end_of_a_pause_ends_it(driver: Any) -> None:
    driver.push([envelope()])
    driver.pause("default", for_s=0.3)
    began = time.monotonic()
    FakeWorker(driver).await_one(within_s=LONG_S)
    assert 0.2 < time.monotonic() - began < SOON_S


def test_wake_ends_it(driver: Any) -> None:
    began = time.monotonic()
    with shortly(driver.wake):
        driver.wait(["default"], LONG_S)
    assert time.monotonic() - began < SOON_S


def test_wake_ends_the_next_one(driver: Any) -> None:
    driver.wait(["default"], 0)
    driver.wake()
    began = time.monotonic()
    driver.wait(["default"], LONG_S)
    assert time.monotonic() - began < SOON_S


def test_wake_ends_one_wait_alone(driver: Any) -> None:
    driver.wake()
    driver.wake()
    driver.wait(["default"], LONG_S)
    assert restless(driver, 0.3) <= 5


def test_a_signal_handler_may_wake(driver: Any) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: driver.wake())
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    began = time.monotonic()
    try:
        driver.wait(["default"], LONG_S)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("paused", [False, True])
def test_no_queue_at_all(driver: Any, paused: bool) -> None:
    if paused:
        driver.pause("default")
    driver.wait([], 0.05)


def store_again(store: StoreUnderTest, driver: Any) -> Any:
    """Another driver where there can be one, so that the wait is not the reclaimer's own."""
    return store.open(lease_s=0.05) if driver.capabilities.shared else driver


def wait_or_push(driver: Any, part: str) -> float:
    """Play one of two parts; returns the seconds it took."""
    began = time.monotonic()
    if part == "wait":
        FakeWorker(driver).await_one(within_s=LONG_S)
    else:
        driver.wait(["a queue without jobs"], 0.2)
        driver.push([envelope()])
    return time.monotonic() - began
