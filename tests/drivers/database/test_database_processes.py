"""A driver lives on through forks and clocks that step."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from fakes.values import completed, envelope, envelopes
from fakes.worker import FakeWorker

from qcore.clock import SystemClock
from qcore.drivers.database.dialects import sqlite

HOUR_US = 3_600_000_000
MakeStore = Callable[..., Any]


def in_a_fork(work: Callable[[], Any]) -> int:
    """Do the work in a child process; returns its exit status."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        work()
    except BaseException:  # noqa: BLE001  the parent is told
        os._exit(1)
    os._exit(0)


def test_a_fork_has_connections_of_its_own(store: Any) -> None:
    store.push(envelopes(2))
    assert not store.wait(["other"], 0)  # whatever a wait opens is open

    def child() -> None:
        store.settle([completed(FakeWorker(store).reserve_one())])
        assert store.wait(["default"], 1)
        store.close()

    assert in_a_fork(child) == 0
    store.settle([completed(FakeWorker(store).reserve_one())])
    assert store.counts()[0].completed == 2


def test_a_fork_rings_its_own_bell(store: Any) -> None:
    assert not store.wait(["default"], 0)
    assert in_a_fork(store.wake) == 0
    store.push([envelope()])
    assert store.wait(["default"], 1)


def test_a_driver_that_was_closed_opens_anew(store: Any) -> None:
    job = envelope()
    store.push([job])
    store.close()
    store.close()
    assert store.wait(["default"], 1)
    assert store.find(job.id) is not None


class TestTheClocksOfAHost:
    @pytest.fixture
    def store(self, url: str, make_store: MakeStore) -> Any:
        if not url.startswith("sqlite"):
            pytest.skip("a server has one clock")
        return make_store()

    def test_a_step_of_the_wall_clock_takes_no_lease(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        store.push([envelope()])
        lease = FakeWorker(store).reserve_one()
        now_us = SystemClock().wall_us()
        monkeypatch.setattr(SystemClock, "wall_us", lambda _: now_us + HOUR_US)
        assert not store.reclaim()
        assert not store.settle([completed(lease)])

    def test_a_start_of_the_host_ends_every_lease(
        self, make_store: MakeStore, store: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.push([envelope()])
        lease = FakeWorker(store).reserve_one()
        number = sqlite._boot_number()
        for other in ((number + 1) % 8192, (number - 1) % 8192):
            monkeypatch.setattr(sqlite, "_boot_number", lambda other=other: other)
            started = make_store()
            assert started.reclaim() == [lease.id]
            monkeypatch.setattr(sqlite, "_boot_number", lambda: number)
            lease = FakeWorker(store).reserve_one()
