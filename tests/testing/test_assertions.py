"""Each assertion once where it holds, and once where it fails, with what it says then."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from testing_jobs import Adds, Member, Pays, SendEmailJob, SendSMSJob, Takes, call, done

from qcore import ConfigurationError, batch, chain, workflow
from qcore.testing import QueueFake

Assertion = Callable[[QueueFake], None]
AT = datetime(2040, 5, 6, tzinfo=UTC)


@pytest.fixture
def fake(queue_fake: QueueFake) -> QueueFake:
    """With one of everything."""
    SendEmailJob.dispatch("a@b.c")
    SendEmailJob("d@e.f").delay_until(60).dispatch()
    call("ada")
    call.dispatch("ada")
    SendSMSJob().delay_until(AT).dispatch()
    batch([Member(1), [Member(2), Member(3)]]).name("three").allow_failures(1).then(done).with_option(
        "region", "eu"
    ).dispatch()
    chain([Adds(1), batch([Adds(2)]), Adds(3)]).name("sums").catch(done).dispatch()
    workflow("graph").add("a", Adds(7)).dispatch()
    return queue_fake


HOLDS: dict[str, Assertion] = {
    "pushed": lambda f: f.assert_pushed(SendEmailJob),
    "pushed twice": lambda f: f.assert_pushed(SendEmailJob, 2),
    "pushed with an address": lambda f: f.assert_pushed(SendEmailJob, where=lambda job: job.to_email == "a@b.c"),
    "a function": lambda f: f.assert_pushed(call, 1),
    "times": lambda f: f.assert_pushed_times(SendEmailJob, 2),
    "on": lambda f: f.assert_pushed_on("emails", SendEmailJob),
    "on, times": lambda f: f.assert_pushed_on("emails", SendEmailJob, 2),
    "on, of a function": lambda f: f.assert_pushed_on("calls", call),
    "not pushed": lambda f: f.assert_not_pushed(Pays),
    "not pushed like this": lambda f: f.assert_not_pushed(SendEmailJob, where=lambda job: job.subject == "?"),
    "count": lambda f: f.assert_count(11),
    "delay": lambda f: f.assert_pushed_with_delay(SendEmailJob, 60),
    "delay as a timedelta": lambda f: f.assert_pushed_with_delay(SendEmailJob, timedelta(minutes=1)),
    "delay until": lambda f: f.assert_pushed_with_delay(SendSMSJob, AT),
    "no delay": lambda f: f.assert_pushed_without_delay(SendEmailJob),
    "batched": lambda f: f.assert_batched(lambda one: one.name == "three" and one.allowed == 1),
    "batched jobs": lambda f: f.assert_batched([Member(1), [Member, Member(3)]]),
    "batched callbacks": lambda f: f.assert_batched(lambda one: one.callbacks == {"then"}),
    "batch count": lambda f: f.assert_batch_count(1),
    "chained": lambda f: f.assert_chained([Adds, [Adds(2)], Adds(3)]),
    "chained, a prefix": lambda f: f.assert_chained([Adds(1)], prefix=True),
    "chained, callbacks": lambda f: f.assert_chained([Adds], prefix=True, where=lambda one: "catch" in one.callbacks),
    "with chain": lambda f: f.assert_pushed_with_chain(Adds(1), [[Adds], Adds]),
    "without chain": lambda f: f.assert_pushed_without_chain(SendEmailJob),
    "workflow": lambda f: f.assert_workflow("graph"),
    "workflow that is meant": lambda f: f.assert_workflow(lambda one: one.total == 1),
}

HOLDS_OF_NOTHING: dict[str, Assertion] = {
    "nothing": lambda f: f.assert_nothing_pushed(),
    "no batch": lambda f: f.assert_nothing_batched(),
    "no chain": lambda f: f.assert_nothing_chained(),
    "count": lambda f: f.assert_count(0),
    "batch count": lambda f: f.assert_batch_count(0),
}
"""Where nothing was pushed."""

FAILS: dict[str, tuple[Assertion, str]] = {
    "pushed": (lambda f: f.assert_pushed(Pays), "Pays was not pushed\npushed:\n  SendEmailJob(to_email='a@b.c', "),
    "pushed twice": (lambda f: f.assert_pushed(SendEmailJob, 3), "SendEmailJob was pushed 2 times, not 3 times"),
    "pushed once": (lambda f: f.assert_pushed(call, 0), "call was pushed once, not never"),
    "pushed with an address": (
        lambda f: f.assert_pushed(SendEmailJob, where=lambda job: job.to_email == "x"),
        "SendEmailJob was not pushed with what `where` asks",
    ),
    "times": (lambda f: f.assert_pushed_times(SendEmailJob, 1), "SendEmailJob was pushed 2 times, not once"),
    "on": (lambda f: f.assert_pushed_on("mail", SendEmailJob), "SendEmailJob was not pushed on mail"),
    "on, times": (
        lambda f: f.assert_pushed_on("emails", SendEmailJob, 1),
        "SendEmailJob was pushed 2 times on emails, not once",
    ),
    "not pushed": (lambda f: f.assert_not_pushed(SendEmailJob), "SendEmailJob was pushed 2 times"),
    "nothing": (lambda f: f.assert_nothing_pushed(), "11 jobs were pushed"),
    "count": (lambda f: f.assert_count(1), "11 jobs were pushed, not 1"),
    "delay": (
        lambda f: f.assert_pushed_with_delay(SendEmailJob, 61),
        "to_email='d@e.f', subject='Hello', body='World') on emails, due in 60 s",
    ),
    "delay until": (
        lambda f: f.assert_pushed_with_delay(SendSMSJob, AT + timedelta(days=1)),
        "SendSMSJob was not pushed with a delay of 2040-05-07T00:00:00+00:00\npushed:",
    ),
    "delay until, as it was": (
        lambda f: f.assert_pushed_with_delay(SendSMSJob, 5),
        "SendSMSJob(number='1') on default, due at 2040-05-06T00:00:00+00:00\n",
    ),
    "no delay, where": (
        lambda f: f.assert_pushed_without_delay(SendEmailJob, where=lambda job: job.to_email == "x"),
        "SendEmailJob was not pushed without delay with what `where` asks",
    ),
    "batched, allowed and callbacks": (
        lambda f: f.assert_batched(lambda one: "catch" in one.callbacks),
        "Member(number=3, fails=False)]], with then, of which 1 may fail, options {'region': 'eu'}",
    ),
    "chained, callbacks": (
        lambda f: f.assert_chained([Adds], prefix=True, where=lambda one: not one.callbacks),
        "Adds(number=3)], with catch",
    ),
    "no delay": (lambda f: f.assert_pushed_without_delay(SendSMSJob), "SendSMSJob was not pushed without delay"),
    "batched": (
        lambda f: f.assert_batched(lambda one: one.name == "four"),
        'no batch was pushed that is meant\npushed:\n  batch "three" [Member(number=1, fails=False), [Member(number=2',
    ),
    "batched jobs": (
        lambda f: f.assert_batched([Member(1), Member(2)]),
        "no batch was pushed of [Member(number=1, fails=False), Member(number=2, fails=False)]",
    ),
    "batch count": (lambda f: f.assert_batch_count(2), "1 batch was pushed, not 2"),
    "no batch": (lambda f: f.assert_nothing_batched(), '1 batch was pushed\npushed:\n  batch "three" ['),
    "chained": (
        lambda f: f.assert_chained([Adds(1), Adds]),
        'no chain of [Adds(number=1), Adds] was pushed\npushed:\n  chain "sums" [Adds(number=1), batch [Adds(number=2)',
    ),
    "chained, a prefix": (
        lambda f: f.assert_chained([Adds(2)], prefix=True),
        "no chain that begins with [Adds(number=2)] was pushed",
    ),
    "no chain": (lambda f: f.assert_nothing_chained(), '1 chain was pushed\npushed:\n  chain "sums" ['),
    "with chain": (lambda f: f.assert_pushed_with_chain(Adds, [Adds]), "no chain of [Adds, Adds] was pushed"),
    "without chain": (lambda f: f.assert_pushed_without_chain(Member), "Member was not pushed by itself"),
    "workflow": (lambda f: f.assert_workflow("other"), 'no workflow "other" was pushed\npushed:\n  graph "graph"'),
    "workflow that is meant": (lambda f: f.assert_workflow(lambda one: False), "no such workflow was pushed\npushed:"),
}


@pytest.mark.parametrize("holds", HOLDS.values(), ids=HOLDS)
def test_it_holds(fake: QueueFake, holds: Assertion) -> None:
    holds(fake)


@pytest.mark.parametrize(("fails", "words"), FAILS.values(), ids=FAILS)
def test_it_fails_and_says_what_was_pushed(fake: QueueFake, fails: Assertion, words: str) -> None:
    with pytest.raises(AssertionError) as failure:
        fails(fake)
    assert words in str(failure.value)
    assert "pushed:" in str(failure.value)


@pytest.mark.parametrize("holds", HOLDS_OF_NOTHING.values(), ids=HOLDS_OF_NOTHING)
def test_it_holds_of_nothing(queue_fake: QueueFake, holds: Assertion) -> None:
    holds(queue_fake)


def test_of_nothing_nothing_is_said_to_have_been_pushed(queue_fake: QueueFake) -> None:
    with pytest.raises(AssertionError, match="nothing pushed"):
        queue_fake.assert_pushed(SendSMSJob)


def test_a_batch_without_jobs_is_something(queue_fake: QueueFake) -> None:
    batch([]).name("empty").dispatch()
    with pytest.raises(AssertionError) as failure:
        queue_fake.assert_nothing_pushed()
    assert str(failure.value) == 'work without jobs was pushed\npushed:\n  batch "empty" []'


@pytest.mark.parametrize(("delay", "words"), [(0.25, "0.25 s"), (1234567.4, "1234567 s")])
def test_a_delay_is_told_in_seconds(delay: float, words: str, queue_fake: QueueFake) -> None:
    SendSMSJob().delay_until(delay).dispatch()
    with pytest.raises(AssertionError, match=f"due in {words}"):
        queue_fake.assert_pushed(Pays)


@pytest.mark.parametrize(("allowed", "words"), [(None, "any may fail"), ("12.5%", "12.5% may fail")])
def test_what_a_batch_allows_is_told(allowed: str | None, words: str, queue_fake: QueueFake) -> None:
    batch([Member(1)]).allow_failures(allowed).dispatch()
    with pytest.raises(AssertionError, match=f"of which {words}"):
        queue_fake.assert_batch_count(2)


def test_a_long_list_is_cut(queue_fake: QueueFake) -> None:
    for number in range(30):
        SendSMSJob.dispatch(str(number))
    with pytest.raises(AssertionError, match=r"\.\.\. and 10 more"):
        queue_fake.assert_pushed(Pays)


def test_of_a_long_list_the_jobs_of_the_asked_class_stand_first(queue_fake: QueueFake) -> None:
    for number in range(30):
        SendSMSJob.dispatch(str(number))
    SendEmailJob.dispatch("a@b.c")
    with pytest.raises(
        AssertionError, match=r"pushed:\n  SendEmailJob\(to_email='a@b.c'.*\n  SendSMSJob\(number='0'\)"
    ):
        queue_fake.assert_pushed_on("mails", SendEmailJob)


def test_arguments_without_names_of_their_own_are_told_as_they_were_written(queue_fake: QueueFake) -> None:
    Takes.dispatch(1, 2, 3, color="red", card="4111")
    Takes.dispatch(1, card="4112")
    with pytest.raises(AssertionError) as failure:
        queue_fake.assert_nothing_pushed()
    assert "\n  Takes(first=1, 2, 3, color='red', card=" in str(failure.value)
    assert "\n  Takes(first=1, card=" in str(failure.value)
    assert "411" not in str(failure.value)


def test_one_job_for_a_list_is_said() -> None:
    with pytest.raises(TypeError, match=r"SendSMSJob is no list of jobs; write \[SendSMSJob\] for its jobs"):
        QueueFake(except_=SendSMSJob)  # type: ignore[arg-type]  # the point


def test_sensitive_arguments_are_masked(queue_fake: QueueFake) -> None:
    Pays.dispatch("4111", 5)
    with pytest.raises(AssertionError) as failure:
        queue_fake.assert_count(2)
    assert "amount=5" in str(failure.value)
    assert "4111" not in str(failure.value)


def test_what_is_no_job_is_said(queue_fake: QueueFake) -> None:
    with pytest.raises(TypeError, match="expected a job class"):
        queue_fake.assert_pushed("SendEmailJob")  # type: ignore[arg-type]


async def never(_: object) -> bool:
    return False


NO_QUESTIONS: dict[str, tuple[Assertion, type[Exception], str]] = {
    "a class for a batch": (lambda f: f.assert_batched(Member), TypeError, r"write \[Member\] for its jobs"),
    "a function for a batch": (lambda f: f.assert_batched(call), TypeError, r"write \[call\] for its jobs"),
    "a job for a batch": (
        lambda f: f.assert_batched(Member(1)),  # type: ignore[arg-type]  # the point
        TypeError,
        r"Member\(\.\.\.\) is no list of jobs",
    ),
    "a class for a chain": (
        lambda f: f.assert_chained(Adds),  # type: ignore[arg-type]  # the point
        TypeError,
        r"write \[Adds\] for its jobs",
    ),
    "a class for a graph": (lambda f: f.assert_workflow(Adds), TypeError, "Adds is no question .* a PushedFlow"),
    "a class to ask a job": (lambda f: f.assert_pushed(call, where=Adds), TypeError, "Adds is no question .* the job"),
    "a function to ask a job": (lambda f: f.assert_not_pushed(Pays, where=call), TypeError, "call is no question"),
    "a class to ask a chain": (
        lambda f: f.assert_chained([Adds], prefix=True, where=Adds),
        TypeError,
        "Adds is no question",
    ),
    "async, of a job": (lambda f: f.assert_pushed(call, where=never), ConfigurationError, "an async function"),
    "async, of a batch": (lambda f: f.assert_batched(never), ConfigurationError, "an async function"),
    "async, of a graph": (lambda f: f.assert_workflow(never), ConfigurationError, "an async function"),
    "async, of a chain": (
        lambda f: f.assert_chained([Adds], prefix=True, where=never),
        ConfigurationError,
        "an async function",
    ),
}


@pytest.mark.parametrize(("asks", "kind", "words"), NO_QUESTIONS.values(), ids=NO_QUESTIONS)
def test_what_would_say_yes_to_everything_is_refused(
    fake: QueueFake, asks: Assertion, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        asks(fake)


def test_jobs_may_come_from_a_generator(fake: QueueFake) -> None:
    fake.assert_chained(one for one in (Adds, [Adds], Adds))  # type: ignore[arg-type]  # any iterable will do


class WithUnittest(unittest.TestCase):
    """The same without pytest's help."""

    def setUp(self) -> None:
        self.fake = QueueFake()
        self.addCleanup(self.fake.stop)

    def test_it(self) -> None:
        SendSMSJob.dispatch()
        self.fake.assert_pushed(SendSMSJob)
        with self.assertRaisesRegex(AssertionError, "Pays was not pushed"):  # noqa: PT027  it is the point
            self.fake.assert_pushed(Pays)


def test_a_function_is_given_by_its_name() -> None:
    with QueueFake() as fake, pytest.raises(TypeError, match=r"times is a number, not .*: write where=…, by its name"):
        fake.assert_pushed(SendEmailJob, lambda _: True)  # type: ignore[arg-type]  # the point
