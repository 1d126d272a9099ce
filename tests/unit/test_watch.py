"""When a supervisor ends one of its children."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from qcore.envelope import Lease
from qcore.worker import watch
from qcore.worker.children import Child, Duty
from qcore.worker.slots import ChildSlots, SlotMemory

LEASE = Lease(id="1", job="app:Mail", queue="default", payload=b"", token="w/1")


@pytest.fixture
def slots() -> Iterator[ChildSlots]:
    """A block of two slots, whose child serves."""
    memory = SlotMemory(1, 2)
    slots = memory.child(0)
    slots.clear()
    slots.open("w")
    slots.tell(serves=True, jobs=0, failures=0, busy_s=0.0)
    yield slots
    del slots


@pytest.fixture
def child(slots: ChildSlots) -> Child:
    return Child(0, slots, 0, Duty(("default",), "default", grace_s=100.0))


def judged(child: Child, monkeypatch: pytest.MonkeyPatch, *, after_s: float, rss_mb: float = 50.0) -> str | None:
    """What is said of the child so many seconds from now; ids of those charged follow."""
    monkeypatch.undo()
    now = time.monotonic() + after_s
    monkeypatch.setattr(watch.time, "monotonic", lambda: now)
    found = watch.verdict(child, memory_hard_mb=100.0, rss_mb=rss_mb)
    return found and f"{found[0]} {sorted(found[1])}"


def turn(slots: ChildSlots, monkeypatch: pytest.MonkeyPatch, *, at: float) -> None:
    """Let a thread beside the worker's own have its turn at that moment."""
    monkeypatch.setattr(watch.time, "monotonic", lambda: at)
    slots.turn()


def test_one_that_polls_lives(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(child, monkeypatch, after_s=29) is None


def test_one_with_a_free_slot_that_falls_silent_is_replaced(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(child, monkeypatch, after_s=29) is None
    assert judged(child, monkeypatch, after_s=31) == "it has not polled for 30 s []"
    slots.begin(0, LEASE, 0.0)
    began = time.monotonic()
    for second in range(33):
        turn(slots, monkeypatch, at=began + second)
    assert judged(child, monkeypatch, after_s=33) == "it has not polled for 30 s []"


def test_a_job_that_gives_no_thread_its_turn_is_judged_by_its_timeout_alone(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.begin(0, LEASE, 0.0)
    began = time.monotonic()
    turn(slots, monkeypatch, at=began)
    assert judged(child, monkeypatch, after_s=300) is None
    turn(slots, monkeypatch, at=began + 300)  # it lets go, and another thread is faster than the worker's own
    assert judged(child, monkeypatch, after_s=300) is None


def test_once_such_a_job_has_ended_the_child_has_its_time_to_poll(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.begin(0, LEASE, 0.0)
    turn(slots, monkeypatch, at=time.monotonic())
    assert judged(child, monkeypatch, after_s=100) is None
    slots.end(0)
    assert judged(child, monkeypatch, after_s=100.2) is None, "it was looked at before it could poll"
    assert judged(child, monkeypatch, after_s=131) == "it has not polled for 30 s []"


def test_one_without_a_free_slot_is_judged_by_timeouts_alone(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.begin(0, LEASE, 0.0)
    slots.begin(1, LEASE, 0.0)
    assert judged(child, monkeypatch, after_s=10_000) is None


def test_one_whose_long_job_has_just_ended_has_its_time_to_poll(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in range(2):
        slots.begin(slot, LEASE, 0.0)
    assert judged(child, monkeypatch, after_s=100) is None
    slots.end(0)
    slots.end(1)
    assert judged(child, monkeypatch, after_s=101) is None, "its end may be on its way to a slow store"
    assert judged(child, monkeypatch, after_s=131) == "it has not polled for 30 s []"


def test_a_job_that_may_hold_up_all_threads_has_its_time_and_is_charged(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.begin(0, LEASE, 60.0)
    assert judged(child, monkeypatch, after_s=59) is None
    assert judged(child, monkeypatch, after_s=61) == "app:Mail 1 did not heed its timeout ['1']"


def test_one_that_has_not_begun_to_serve_is_given_half_a_minute(
    child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.tell(serves=False, jobs=0, failures=0, busy_s=0.0)
    assert judged(child, monkeypatch, after_s=29) is None
    assert judged(child, monkeypatch, after_s=31) == "it did not begin to serve within 30 s []"


def test_one_that_leaves_has_its_grace_and_no_more(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "send", lambda number: None)
    child.leave()
    assert child.state == "stopping"
    assert judged(child, monkeypatch, after_s=100) is None
    assert judged(child, monkeypatch, after_s=106) == "it did not stop in time []"


def test_one_that_must_quit_has_a_few_seconds(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "send", lambda number: None)
    child.leave()
    child.quit()
    assert judged(child, monkeypatch, after_s=6) == "it did not stop in time []"


def test_memory_counts_only_while_a_job_runs(child: Child, slots: ChildSlots, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(child, monkeypatch, after_s=0, rss_mb=500.0) is None
    slots.begin(0, LEASE, 0.0)
    assert judged(child, monkeypatch, after_s=0, rss_mb=500.0) == (
        "the process outgrew its memory: 500 MB of 100 ['1']"
    )
