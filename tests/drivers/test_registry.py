"""The registry: who works on a store, and what somebody wants of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.leases import let_pass
from fakes.registry import team, worker_record
from fakes.store import StoreUnderTest
from fakes.values import envelope
from fakes.worker import FakeWorker

from qcore.drivers.base import WORKER_KEPT_TERMS
from qcore.ids import new_id
from qcore.records import RunningRecord, WorkerCommand, WorkerRecord

TERM_S = 0.2
SILENT_S = WORKER_KEPT_TERMS * TERM_S
MARGIN_S = 0.05


@pytest.fixture
def brief(store: StoreUnderTest) -> Any:
    """A driver that forgets workers soon."""
    return store.open(lease_s=TERM_S)


def ids(workers: Iterable[WorkerRecord]) -> list[str]:
    return [worker.id for worker in workers]


def said(commands: Iterable[WorkerCommand]) -> dict[str, str]:
    """The commands that were given, by the address each was left at."""
    return {command.address: command.command for command in commands}


def take(driver: Any, workers: Sequence[WorkerRecord]) -> dict[str, str]:
    """What these workers are told to do; they say that they took it."""
    commands = driver.report(workers)
    driver.report(workers, commands)
    return said(commands)


def store_now_us(driver: Any) -> int:
    """The store's clock, read from when it took a job."""
    driver.push([job := envelope("a queue of its own")])
    created_us: int = driver.find(job.id).created_us
    return created_us


# -- who is there --------------------------------------------------------------------------------------------------


def test_nobody_works_on_a_new_store(driver: Any) -> None:
    assert list(driver.workers()) == []
    assert list(driver.report([])) == []


def test_what_is_reported_is_what_is_told(driver: Any) -> None:
    record = worker_record(
        "supervisor",
        host="hôst",
        pid=1,
        queues=("high", "default"),
        started_us=1_700_000_000_000_001,
        state="paused",
        running=(RunningRecord("id", "app.jobs:Noop", "high", 3, 1.25), RunningRecord("b", "app:B", "high", 1, 0.0)),
        places=4,
        jobs=10**10,
        failures=7,
        busy_s=12.5,
        cpu_percent=99.5,
        rss_bytes=2**40,
    )
    assert list(driver.report([record])) == []
    (told,) = driver.workers()
    assert msgspec.structs.replace(told, beat_us=0) == record


def test_another_process_is_told_the_same(driver: Any, store: StoreUnderTest) -> None:
    other = store.share(driver)
    driver.report(team("supervisor", 2))
    assert list(other.workers()) == list(driver.workers())
    assert len(other.workers()) == 2


def test_the_beat_is_the_stores(driver: Any) -> None:
    before_us = store_now_us(driver)
    driver.report([worker_record(beat_us=5)])
    (told,) = driver.workers()
    assert before_us <= told.beat_us <= store_now_us(driver)


def test_a_report_renews(driver: Any) -> None:
    record = worker_record()
    driver.report([record])
    (first,) = driver.workers()
    let_pass(driver, 0.01)
    running = (RunningRecord("id", "app.jobs:Noop", "default", 1, 0.5),)
    driver.report([msgspec.structs.replace(record, state="stopping", jobs=3, running=running)])
    (second,) = driver.workers()
    assert (second.state, second.jobs, second.running) == ("stopping", 3, running)
    assert second.beat_us > first.beat_us


def test_they_are_listed_by_supervisor_and_id(driver: Any) -> None:
    driver.report(team("b", 2)[::-1])
    driver.report([*team("c", 1), *team("a", 2)])
    assert ids(driver.workers()) == ["a-0", "a-1", "b-0", "b-1", "c-0"]


def test_one_that_falls_silent_is_forgotten(brief: Any) -> None:
    silent, steady = worker_record(), worker_record()
    brief.report([silent, steady])
    assert len(brief.workers()) == 2
    for _ in range(4):
        let_pass(brief, TERM_S)
        brief.report([steady])
    assert ids(brief.workers()) == [steady.id]


def test_one_that_was_forgotten_may_come_back(brief: Any) -> None:
    record = worker_record()
    brief.report([record])
    let_pass(brief, SILENT_S + MARGIN_S)
    assert list(brief.workers()) == []
    brief.report([record])
    assert ids(brief.workers()) == [record.id]


def test_those_that_ended_are_dismissed(driver: Any) -> None:
    driver.report(team("a", 3))
    driver.dismiss(["a-0", "a-2", "nobody"])
    assert ids(driver.workers()) == ["a-1"]
    driver.dismiss(["a-0"])
    driver.dismiss([])
    assert ids(driver.workers()) == ["a-1"]


def test_dismissing_gives_no_jobs_back(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    worker.reserve_one()
    driver.report([worker_record(id=worker.name)])
    driver.dismiss([worker.name])
    assert driver.counts()[0].processing == 1


def test_many_report_at_once(driver: Any) -> None:
    teams = [team(f"supervisor-{number}", 5) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            assert [list(answer) for answer in threads.map(driver.report, teams)] == [[]] * 8
    assert ids(driver.workers()) == [worker.id for members in teams for worker in members]


def test_the_same_workers_are_reported_at_once(driver: Any) -> None:
    members = team("a", 5)
    orders = [members, members[::-1]] * 4
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(driver.report, orders))
    assert ids(driver.workers()) == ids(members)


# -- what somebody wants of them -----------------------------------------------------------------------------------


def test_a_worker_is_given_its_command_once(driver: Any) -> None:
    first, second = members = team("a", 2)
    driver.report(members)
    assert driver.command(first.id, "pause") == 1
    assert take(driver, [second]) == {}
    assert take(driver, members) == {first.id: "pause"}
    assert take(driver, members) == {}


def test_a_command_is_given_again_until_it_is_taken(driver: Any) -> None:
    members = team("a", 2)
    driver.report(members)
    driver.command("a", "restart")
    driver.command("a-0", "pause")
    first = driver.report(members)
    assert said(first) == {"a": "restart", "a-0": "pause"}
    assert set(driver.report(members)) == set(first), "under the ids they had"
    [left] = driver.report(members, [one for one in first if one.address == "a"])
    assert left in first
    assert said([left]) == {"a-0": "pause"}
    assert list(driver.report(members, [left])) == []
    assert list(driver.report(members, first)) == [], "said again, it changes nothing"


def test_what_is_taken_is_no_more_than_was_given(driver: Any) -> None:
    members = team("a", 1)
    driver.report(members)
    driver.command("a", "restart")
    driver.command("a", "pause")
    stranger = WorkerCommand(new_id(), "a", "restart")
    first = driver.report(members, [stranger])
    assert said(first) == {"a": "restart"}
    second = driver.report(members, first)
    assert said(second) == {"a": "pause"}
    assert driver.report(members, first) == second


def test_a_supervisor_is_given_its_command_by_whichever_worker_reports_next(driver: Any) -> None:
    first, second = team("a", 2)
    driver.report([first, second, *team("b", 1)])
    assert driver.command("a", "restart") == 2
    assert take(driver, team("b", 1)) == {}
    assert take(driver, [second]) == {"a": "restart"}
    assert take(driver, [first]) == {}


def test_a_supervisor_is_given_its_command_though_its_workers_are_new(driver: Any) -> None:
    old, new = team("a", 2)
    driver.report([old])
    driver.command("a", "terminate")
    driver.dismiss([old.id])
    assert take(driver, [new]) == {"a": "terminate"}


def test_a_worker_without_a_supervisor_is_its_own(driver: Any) -> None:
    alone = worker_record()
    driver.report([alone])
    assert driver.command(alone.id, "terminate") == 1
    assert driver.command("*", "restart") == 1
    assert take(driver, [alone]) == {alone.id: "terminate"}
    assert take(driver, [alone]) == {alone.id: "restart"}
    assert take(driver, [alone]) == {}


def test_every_supervisor_is_told_once(driver: Any) -> None:
    alone = worker_record()
    a, b = team("a", 3), team("b", 2)
    for workers in (a, b, [alone]):
        driver.report(workers)
    assert driver.command("*", "restart") == 6
    assert take(driver, a[:1]) == {"a": "restart"}
    assert take(driver, a) == {}
    assert take(driver, [*a, *b]) == {"b": "restart"}
    assert take(driver, [alone]) == {alone.id: "restart"}
    assert take(driver, [*a, *b, alone]) == {}


def test_one_that_comes_later_is_told_nothing(driver: Any) -> None:
    driver.report(team("a", 1))
    driver.command("*", "restart")
    assert take(driver, team("b", 1)) == {}


def test_worker_and_supervisor_are_told_together(driver: Any) -> None:
    first, second = members = team("a", 2)
    driver.report(members)
    driver.command(first.id, "pause")
    driver.command(second.id, "terminate")
    driver.command("a", "continue")
    assert take(driver, members) == {first.id: "pause", second.id: "terminate", "a": "continue"}


def test_none_replaces_another(driver: Any) -> None:
    members = team("a", 2)
    driver.report(members)
    for command in ("pause", "restart", "pause"):
        driver.command("a", command)
    assert [take(driver, members) for _ in range(4)] == [
        {"a": "pause"},
        {"a": "restart"},
        {"a": "pause"},
        {},
    ]


def test_said_twice_is_given_once(driver: Any) -> None:
    members = team("a", 2)
    driver.report(members)
    assert [driver.command("a", "restart") for _ in range(2)] == [2, 2]
    assert take(driver, members) == {"a": "restart"}
    assert take(driver, members) == {}


def test_what_adds_is_given_as_often_as_it_was_said(driver: Any) -> None:
    members = team("a", 2)
    driver.report(members)
    for _ in range(2):
        driver.command("a", "grow", adds=True)
    assert [take(driver, members) for _ in range(3)] == [{"a": "grow"}, {"a": "grow"}, {}]


def test_what_is_said_again_once_it_was_given_is_given_again(driver: Any) -> None:
    members = team("a", 2)
    driver.report(members)
    driver.command("a", "restart")
    first = driver.report(members)
    driver.command("a", "restart")
    second = driver.report(members, first)
    assert said(second) == {"a": "restart"}
    assert [one.id for one in second] != [one.id for one in first]
    assert list(driver.report(members, second)) == []


def test_nobody_knows_the_address(driver: Any) -> None:
    assert driver.command("a", "pause") == 0
    assert driver.command("*", "pause") == 0
    driver.report(team("a", 1))
    assert driver.command("nobody", "pause") == 0
    driver.dismiss(["a-0"])
    assert [driver.command(address, "pause") for address in ("a-0", "a", "*")] == [0, 0, 0]
    assert take(driver, team("a", 1)) == {}


def test_one_that_fell_silent_is_not_known(brief: Any) -> None:
    brief.report(team("a", 2))
    let_pass(brief, SILENT_S + MARGIN_S)
    brief.report(team("a", 1))
    assert [brief.command(address, "pause") for address in ("a-1", "a", "*")] == [0, 1, 1]


def test_a_command_that_nobody_takes_is_forgotten(brief: Any) -> None:
    brief.report(team("a", 1))
    brief.command("a-0", "terminate")
    brief.command("a", "restart")
    let_pass(brief, SILENT_S + MARGIN_S)
    assert take(brief, team("a", 1)) == {}


def test_another_process_leaves_it(driver: Any, store: StoreUnderTest) -> None:
    other = store.share(driver)
    driver.report(team("a", 1))
    assert other.command("a-0", "pause") == 1
    assert take(driver, team("a", 1)) == {"a-0": "pause"}


def test_all_that_report_at_once_are_told_the_same(driver: Any) -> None:
    members = team("a", 8)
    driver.report(members)
    for _ in range(3):
        driver.command("a", "restart")
        with ThreadPoolExecutor(8) as threads:
            [command] = {given for [given] in threads.map(lambda one: driver.report([one]), members)}
            answers = threads.map(driver.report, [[one] for one in members], [[command]] * 8)
            assert [list(answer) for answer in answers] == [[]] * 8


def test_whoever_commands_while_others_report_is_heard(driver: Any) -> None:
    members = team("a", 4)
    driver.report(members)
    heard: list[WorkerCommand] = []
    with ThreadPoolExecutor(4) as threads:
        commands = [threads.submit(driver.command, one.id, "pause") for one in members for _ in range(2)]
        reports = [threads.submit(driver.report, members) for _ in range(8)]
        heard += [command for report in reports for command in report.result()]
        assert [command.result() for command in commands] == [1] * 8
    until = time.monotonic() + 5
    while last := driver.report(members, heard):
        heard += last
        assert time.monotonic() < until
    assert {command.address for command in heard} == set(ids(members))
    assert len({command.id for command in heard}) <= 8
