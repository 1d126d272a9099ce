"""Workers as a person is told of them, and what a person tells them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.clock import NOON_US, FakeClock
from fakes.registry import worker_record

from qcore import ConfigurationError, QueueManager
from qcore.config import load_settings
from qcore.monitor import Actions, Monitor
from qcore.monitor.reading import worker_snapshot
from qcore.records import RunningRecord


@pytest.fixture
def manager() -> Iterator[QueueManager]:
    manager = QueueManager(load_settings({"url": "memory://"}, environ={}))
    yield manager
    manager.close()


def test_ages_and_shares_are_told() -> None:
    record = worker_record(
        started_us=NOON_US,
        beat_us=NOON_US + 100_000_000,
        places=2,
        busy_s=40.0,
        running=(RunningRecord("1", "app.jobs:Mail.Send", "mail", 2, 10.0),),
        rss_bytes=1024,
    )
    told = worker_snapshot(record, "default", now_us=NOON_US + 102_000_000)
    assert (told.uptime_s, told.heartbeat_age_s, told.busy_percent) == (102.0, 2.0, 25.0)
    assert (told.running[0].name, told.running[0].runtime_s, told.connection) == ("Send", 10.0, "default")


@pytest.mark.parametrize(("uptime_s", "jobs", "per_min"), [(300.0, 60, 12.0), (15.0, 3, 3.0), (0.0, 0, 0.0)])
def test_jobs_a_minute_are_told(uptime_s: float, jobs: int, per_min: float) -> None:
    record = worker_record(started_us=NOON_US, beat_us=NOON_US + round(uptime_s * 1e6), jobs=jobs)
    told = worker_snapshot(record, "default", now_us=record.beat_us + 40_000_000)
    assert told.jobs_per_min == per_min


def test_a_clock_that_is_behind_makes_no_age_negative() -> None:
    told = worker_snapshot(worker_record(beat_us=NOON_US), "default", now_us=NOON_US - 5_000_000)
    assert (told.heartbeat_age_s, told.uptime_s, told.busy_percent) == (0.0, 0.0, 0.0)


def test_workers_are_listed_and_counted_by_queue(manager: QueueManager) -> None:
    store = manager.connection()
    store.pause("mail")
    store.pause("quiet")
    store.report([worker_record("s", id="a", queues=("mail", "default")), worker_record("s", id="b", queues=("mail",))])
    monitor = Monitor(manager, FakeClock())
    assert [worker.id for worker in monitor.workers()] == ["a", "b"]
    assert {queue.name: queue.workers for queue in monitor.stats().queues} == {"mail": 2, "quiet": 0}


def test_a_command_reaches_those_it_concerns(manager: QueueManager) -> None:
    store = manager.connection()
    members = [worker_record("s", id="a"), worker_record("s", id="b")]
    store.report(members)
    actions = Actions(manager)
    assert actions.command("s", "restart").changed == 2
    assert actions.command("a", "pause").changed == 1
    assert actions.command("nobody", "pause").matched == 0
    told = {(one.address, one.command) for one in store.report(members)}
    assert told == {("s", "restart"), ("a", "pause")}


def test_there_are_four_commands(manager: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match="there is no command 'kill'"):
        Actions(manager).command("a", "kill")
