"""`JobTester`, `WorkerTester` and `assert_job_serializable`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from testing_jobs import Asks, Breaks, BreaksOnce, HasABug, HidesLists, Lists, SendEmailJob, SendSMSJob, call_later

from qcore import QueueManager
from qcore.testing import JobTester, QueueFake, WorkerTester, assert_job_serializable
from qcore.worker import WorkerOptions

Check = Callable[[JobTester], None]
AT = datetime(2040, 5, 6, tzinfo=UTC)

HOLDS: list[tuple[str, Check]] = [
    ("release", lambda t: t.assert_released()),
    ("release", lambda t: t.assert_released(delay=30)),
    ("release", lambda t: t.assert_released(timedelta(seconds=30))),
    ("release", lambda t: t.assert_released(datetime.now(UTC) + timedelta(seconds=30))),
    ("release at", lambda t: t.assert_released(300)),
    ("release at", lambda t: t.assert_released(datetime.now(UTC) + timedelta(minutes=5))),
    ("snooze", lambda t: t.assert_snoozed(5)),
    ("snooze", lambda t: t.assert_not_released()),
    ("delete", lambda t: t.assert_deleted()),
    ("release", lambda t: t.assert_not_deleted()),
    ("fail", lambda t: t.assert_failed()),
    ("fail", lambda t: t.assert_failed(ValueError)),
    ("fail", lambda t: t.assert_failed("no such customer")),
    ("nothing", lambda t: t.assert_not_failed()),
    ("nothing", lambda t: t.assert_not_released()),
    ("nothing", lambda t: t.assert_not_deleted()),
]
FAILS: list[tuple[str, Check, str]] = [
    ("nothing", lambda t: t.assert_released(), "Asks was not released: it asked for nothing"),
    ("release", lambda t: t.assert_released(delay=31), "Asks was released for 30 s, not 31"),
    ("release at", lambda t: t.assert_released(301), "Asks was released for 300 s, not 301"),
    ("release at", lambda t: t.assert_released(299), "Asks was released for 300 s, not 299"),
    ("release", lambda t: t.assert_released(AT), "Asks was released for 30 s, not 2040-05-06T00:00:00+00:00"),
    ("snooze", lambda t: t.assert_snoozed(0.1), "Asks was snoozed for 5 s, not 0.1"),
    ("release", lambda t: t.assert_not_released(), "Asks was released: it called release() after 30 s"),
    ("release", lambda t: t.assert_snoozed(), "Asks was not snoozed: it called release() after 30 s"),
    (
        "fail",
        lambda t: t.assert_deleted(),
        "Asks was not deleted: it called fail() with ValueError('no such customer')",
    ),
    ("delete", lambda t: t.assert_not_deleted(), "Asks was deleted: it called delete()"),
    ("nothing", lambda t: t.assert_failed(), "Asks was not failed: it asked for nothing"),
    ("fail", lambda t: t.assert_failed(KeyError), "failed with ValueError: no such customer, not with KeyError"),
    ("fail", lambda t: t.assert_failed("x"), "failed with ValueError: no such customer, not with 'x'"),
    ("fail", lambda t: t.assert_not_failed(), "Asks was failed: it called fail()"),
]


@pytest.mark.parametrize(("how", "check"), HOLDS)
def test_how_a_job_asked_to_end(how: str, check: Check) -> None:
    tester = Asks(how).with_fake_queue()
    tester.run()
    check(tester)


@pytest.mark.parametrize(("how", "check", "words"), FAILS)
def test_how_it_did_not(how: str, check: Check, words: str) -> None:
    job = Asks(how)
    tester = job.with_fake_queue()
    job.handle()
    with pytest.raises(AssertionError) as failure:
        check(tester)
    assert words in str(failure.value)


def test_an_error_in_the_place_of_its_class_is_said() -> None:
    tester = Asks("fail").with_fake_queue()
    with pytest.raises(TypeError, match=r"part of its words, not ValueError\(\): write ValueError"):
        tester.assert_failed(ValueError())  # type: ignore[arg-type]  # the point


def test_a_list_of_queues_is_said(queue_fake: QueueFake) -> None:
    with pytest.raises(TypeError, match=r"queues are names, one by one, and not \['emails'\]"):
        WorkerTester().work(["emails"])  # type: ignore[arg-type]  # the point


def test_what_else_a_job_may_ask(ran: list[Any]) -> None:
    tester = Asks("cancel").with_fake_queue(attempt=3)
    tester.cancel()
    tester.run()
    assert (ran, tester.progress, tester.job.attempts) == (["stopped"], [(40, "half")], 3)
    assert call_later.job("x").with_fake_queue().run() == "x"
    with pytest.raises(ValueError, match="broken"):
        Breaks().with_fake_queue().run()


def test_a_run_knows_nothing_of_the_one_before() -> None:
    job = Asks("release")
    tester = job.with_fake_queue()
    tester.run()
    job.how = "nothing"
    tester.run()
    tester.assert_not_released()
    assert tester.progress == [(40, "half")]


def test_a_worker_works_until_all_is_done(queue_fake: QueueFake, ran: list[Any]) -> None:
    SendSMSJob.dispatch("one")
    SendEmailJob.dispatch("two")
    report = WorkerTester().work("emails", "default")
    assert (report.completed, report.failed, report.errors, sorted(ran)) == (2, 0, (), ["one", "two"])


def test_what_jobs_raise_the_test_gets(queue_fake: QueueFake, ran: list[Any]) -> None:
    Breaks.dispatch()
    with pytest.raises(ValueError, match="broken"):
        WorkerTester().work()
    assert ran == [1, 2], "it was tried as often as it says"
    Breaks.dispatch()
    report = WorkerTester().work(surface=False, options=WorkerOptions(tries=1))
    assert (report.completed, report.released, report.failed, len(report.errors)) == (0, 1, 1, 2)


def test_what_a_job_raised_that_is_to_be_tried_later_the_test_gets(queue_fake: QueueFake, ran: list[Any]) -> None:
    HasABug.dispatch()
    SendSMSJob.dispatch("after")
    with pytest.raises(ValueError, match="a bug"):
        WorkerTester().work(until_empty=True)
    assert ran == ["after"], "the others ran all the same"
    HasABug.dispatch()
    report = WorkerTester().work(surface=False)
    assert (report.completed, report.released, report.failed, len(report.errors)) == (0, 1, 0, 1)


def test_what_a_job_raised_that_completed_after_all_the_report_has(queue_fake: QueueFake, ran: list[Any]) -> None:
    BreaksOnce.dispatch()
    report = WorkerTester().work()
    assert (report.completed, report.released, report.failed, ran) == (1, 1, 0, [1, 2])
    assert [str(error) for error in report.errors] == ["broken once"]


def test_a_worker_on_a_real_store(tmp_path: Any, ran: list[Any]) -> None:
    manager = QueueManager.open({"url": f"sqlite:///{tmp_path}/queue.db"})
    with manager.using():
        SendSMSJob.dispatch("stored")
        assert WorkerTester().work(max_jobs=1, until_empty=False).reason == "max_jobs"
    manager.close()
    assert ran == ["stored"]


@pytest.mark.parametrize("url", ["memory://", "sqlite:///queue.db"])
def test_a_worker_heeds_a_clock_that_a_test_moves(url: str, ran: list[Any]) -> None:
    manager = QueueManager.open({"url": url})
    with manager.using(), time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as traveller:
        SendSMSJob("later").delay_until(timedelta(hours=1)).dispatch()
        assert WorkerTester().work().completed == 0
        traveller.shift(timedelta(hours=1, seconds=1))
        assert WorkerTester().work().completed == 1
    manager.close()
    assert ran == ["later"]


TRAVELS: list[Callable[[], object]] = [
    lambda: assert_job_serializable(SendEmailJob("a", body="c")),
    lambda: assert_job_serializable(Lists({"numbers": [1, {"two": (2, 3)}]})),
    lambda: assert_job_serializable(Lists({"none": float("nan"), "nor": [Decimal("NaN"), float("inf")]})),
]
TRAVELS_NOT: list[tuple[Callable[[], object], str]] = [
    (
        lambda: assert_job_serializable(SendEmailJob(object())),  # type: ignore[arg-type]  # the point
        r"SendEmailJob\(to_email=<object .*does not travel: .*to_email",
    ),
    (lambda: assert_job_serializable(Lists({"box": [Box(1)]})), "Lists: items left as .*Box.* and arrived as .*Box"),
]


@pytest.mark.parametrize("check", TRAVELS)
def test_what_travels(check: Callable[[], object]) -> None:
    assert check()


def test_a_class_has_no_arguments_that_could_travel() -> None:
    with pytest.raises(TypeError, match=r"expected a job with its arguments, not <class .*SendEmailJob"):
        assert_job_serializable(SendEmailJob)  # type: ignore[type-var]  # the point


def test_what_arrives_is_what_a_worker_builds() -> None:
    arrived = assert_job_serializable(SendEmailJob("a", body="c"))
    assert (arrived.to_email, arrived.body) == ("a", "c")


@pytest.mark.parametrize(("check", "words"), TRAVELS_NOT)
def test_what_does_not_travel(check: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check()


def test_what_is_hidden_stays_hidden_where_it_does_not_travel() -> None:
    with pytest.raises(AssertionError) as failed:
        assert_job_serializable(HidesLists({"box": [Box(4711)]}))
    assert "4711" not in str(failed.value)
    assert "items left as ••• and arrived as •••" in str(failed.value)


@dataclass(eq=False)
class Box:
    """Equal to nothing but itself, and so not to what arrives."""

    size: int
