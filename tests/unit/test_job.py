"""Jobs as users write them: options, fluent calls, the forms of dispatch. No store is needed for any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from qcore import ConfigurationError, Job, PayloadError, PayloadTooLargeError, deferring, dispatcher, exponential, job
from qcore.backoff import Exponential
from qcore.clock import microseconds
from qcore.envelope import Envelope
from qcore.errors import SignatureError, UnknownJobClass
from qcore.jobs.options import JobOptions
from qcore.jobs.packing import build, class_path, pack, resolve, unpack

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class Collects:
    """A dispatcher that keeps what it is given."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.sessions: list[Any] = []

    def dispatch(self, jobs: Sequence[Any], *, session: Any = None) -> Sequence[str | None]:
        self.jobs += jobs
        self.sessions.append(session)
        return [f"id-{len(self.jobs)}" for _ in jobs]

    def dispatch_now(self, job: Any) -> Any:
        return job.handle()


@pytest.fixture
def taken() -> Iterator[Collects]:
    with dispatcher.using(Collects()) as collects:
        yield collects  # type: ignore[misc]  # it is what was given


class Mail(Job):
    queue = "mail"
    max_tries = 7

    def __init__(self, to: str, *, copies: int = 1) -> None:
        super().__init__()
        self.to, self.copies = to, copies
        self.timeout = timedelta(minutes=2)

    def handle(self) -> str:
        return f"{self.to} x{self.copies}"


class Silent(Job):
    def __init__(self, to: str) -> None:  # does not call super().__init__()
        self.to = to


class WithSession(Job):
    def __init__(self, session: str) -> None:
        self.session = session


@job(queue="sums", max_tries=2)
def add(first: int, second: int = 0) -> int:
    """Add."""
    return first + second


def packed(made: Job, **more: Any) -> Envelope:
    return pack(made, queue=made.queue or "default", keyring=None, **more)


def opened(made: Job) -> Any:
    envelope = packed(made)
    return unpack(envelope, None)


def test_dispatch_on_the_class_and_on_an_instance(taken: Collects) -> None:
    assert Mail.dispatch("a@b.c", copies=2) == "id-1"
    assert Mail("d@e.f").dispatch() == "id-2"
    assert [(one.to, one.copies) for one in taken.jobs] == [("a@b.c", 2), ("d@e.f", 1)]


def test_conditional_dispatch(taken: Collects) -> None:
    assert Mail.dispatch_if(True, "yes") == "id-1"
    assert Mail.dispatch_if(0, "no") is None
    assert Mail.dispatch_unless([], "yes") == "id-2"
    assert Mail.dispatch_unless(True, "no") is None
    assert add.dispatch_if(True, 1) == "id-3"
    assert add.dispatch_unless(True, 1) is None


def test_a_job_that_is_there_is_the_one_that_is_meant(taken: Collects) -> None:
    mail = Mail("a@b.c", copies=2)
    assert mail.dispatch_now() == "a@b.c x2"
    assert mail.on_queue("other").dispatch_if(True) == "id-1"
    assert mail.dispatch_if(False) is None
    assert mail.dispatch_unless(False, session="mine") == "id-2"
    assert mail.dispatch_after_response() == mail.job_id
    assert (taken.jobs, taken.sessions[1]) == ([mail, mail, mail], "mine")


@pytest.mark.parametrize(
    "ask",
    [
        lambda mail: mail.dispatch_now("x"),
        lambda mail: mail.dispatch_if(True, "x"),
        lambda mail: mail.dispatch_unless(False, copies=3),
        lambda mail: mail.dispatch_after_response("x"),
    ],
)
def test_and_takes_no_other_arguments(ask: Callable[[Mail], object], taken: Collects) -> None:
    with pytest.raises(TypeError, match="this Mail has its arguments already; ask the class, Mail"):
        ask(Mail("a@b.c"))
    assert taken.jobs == []


def test_a_session_goes_to_the_dispatcher_unless_the_job_takes_one(taken: Collects) -> None:
    Mail.dispatch("a", session="mine")
    WithSession.dispatch(session="the job's")
    assert taken.sessions == ["mine", None]
    assert taken.jobs[1].session == "the job's"


def test_after_response_waits_for_the_end_of_the_block(taken: Collects) -> None:
    with deferring():
        job_id = Mail.dispatch_after_response("later")
        assert taken.jobs == []
    assert [one.job_id for one in taken.jobs] == [job_id]
    Mail.dispatch_after_response("at once")
    assert len(taken.jobs) == 2


def test_fluent_calls_chain() -> None:
    made = (
        Mail("x")
        .on_queue("high")
        .on_connection("redis")
        .delay_until(60)
        .with_priority(10)
        .with_tags("a", "b")
        .with_tags("c")
        .with_tries(4)
        .with_timeout(5)
        .with_backoff([1, 2])
    )
    assert made.connection == "redis"
    envelope = packed(made)
    assert (envelope.queue, envelope.priority, envelope.delay_us) == ("high", 10, 60_000_000)
    assert envelope.tags == ("a", "b", "c")
    assert opened(made).options == JobOptions(max_tries=4, timeout_s=5.0, backoff=(1.0, 2.0))


def test_options_of_class_and_constructor_travel() -> None:
    assert opened(Mail("x")).options == JobOptions(max_tries=7, timeout_s=120.0)
    assert opened(Silent("x")).options is None
    assert opened(add.job(1)).options == JobOptions(max_tries=2)


@pytest.mark.parametrize(
    ("name", "value", "travels"),
    [
        ("max_tries", 0, JobOptions(max_tries=0)),
        ("timeout", 0, JobOptions(timeout_s=0.0)),
        ("backoff", 3, JobOptions(backoff=3.0)),
        ("backoff", timedelta(seconds=3), JobOptions(backoff=3.0)),
        ("backoff", exponential(1, 9), JobOptions(backoff=Exponential(1, 9))),
        ("retry_until", AT, JobOptions(retry_until_us=microseconds(AT))),
        ("retry_until", timedelta(hours=1), JobOptions(retry_for_us=3_600_000_000)),
        ("max_exceptions", 2, JobOptions(max_exceptions=2)),
        ("fail_on_timeout", True, JobOptions(fail_on_timeout=True)),
        ("result_ttl", 5, JobOptions(result_ttl_s=5.0)),
        ("tenant", "acme", JobOptions(tenant="acme")),
    ],
)
def test_each_option_survives(name: str, value: Any, travels: JobOptions) -> None:
    made = Silent("x")
    setattr(made, name, value)
    assert opened(made).options == travels


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max_tries", -1, "Silent.max_tries: -1 is no whole number from 0 up"),
        ("max_tries", "3", "Silent.max_tries: '3' is no whole number"),
        ("timeout", -5, "Silent.timeout: -5 is no duration"),
        ("backoff", [], "Silent.backoff: give seconds"),
        ("backoff", -1, "-1 s is negative"),
        ("max_exceptions", 0, "Silent.max_exceptions: 0 is no whole number from 1 up"),
        ("delay", -1, "Silent.delay: -1 is no duration"),
        ("priority", 1.5, "Silent.priority: 1.5 is no whole number"),
        ("tenant", 5, "Silent.tenant: 5 is no name"),
    ],
)
def test_a_senseless_option_is_refused_at_dispatch(name: str, value: Any, said: str) -> None:
    made = Silent("x")
    setattr(made, name, value)
    with pytest.raises(ConfigurationError) as refused:
        packed(made)
    assert said in refused.value.message


def test_a_datetime_is_an_instant_and_a_number_a_delay() -> None:
    assert packed(Silent("x").delay_until(AT)).due_us == microseconds(AT)
    assert packed(Silent("x").delay_until(timedelta(minutes=1))).delay_us == 60_000_000


def test_the_worker_builds_the_same_job() -> None:
    made = build(opened(Mail("a@b.c", copies=3)))
    assert isinstance(made, Mail)
    assert (made.to, made.copies) == ("a@b.c", 3)
    again = build(opened(add.job(2, second=3)))
    assert again.handle() == 5


def test_a_function_job_is_still_a_function() -> None:
    assert add(2, 3) == 5
    assert add.__name__ == "add"
    assert add.__doc__ == "Add."
    assert class_path(add.job_class) == f"{__name__}:add"


def test_unknown_options_of_a_function_job() -> None:
    with pytest.raises(ConfigurationError, match="@job has no option 'tries'"):
        job(tries=3)(add)


def test_a_local_class_is_refused_at_dispatch() -> None:
    class Inside(Job):
        pass

    with pytest.raises(PayloadError, match="defined inside a function"):
        packed(Inside())


def test_a_class_of_main_is_refused_at_dispatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Silent, "__module__", "__main__")
    with pytest.raises(PayloadError, match="defined in __main__"):
        class_path(type("Silent", (Silent,), {"__module__": "__main__", "__qualname__": "Silent"}))


def test_a_shadowed_class_is_refused_at_dispatch() -> None:
    twin = type("Mail", (Job,), {"__module__": __name__, "__qualname__": "Mail"})
    with pytest.raises(PayloadError, match="not what that name leads to"):
        packed(twin())


def test_a_payload_above_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError, match=r"Silent: a payload of 1,0\d\d bytes is above the limit of 500"):
        packed(Silent("x" * 1000), limit=500)


def test_an_argument_that_cannot_travel_is_named() -> None:
    with pytest.raises(PayloadError) as refused:
        packed(Silent(object()))  # type: ignore[arg-type]  # on purpose
    assert "Silent" in refused.value.message
    assert "object" in refused.value.message


@pytest.mark.parametrize(
    "path",
    ["os:system", "builtins:eval", "qcore.jobs.job:Job", "no_such_module:X", f"{__name__}:Nothing", "x", ":", "a:"],
)
def test_only_jobs_are_resolved(path: str) -> None:
    with pytest.raises(UnknownJobClass):
        resolve(path)


def test_a_payload_that_was_moved_is_refused() -> None:
    envelope = packed(Silent("x"))
    with pytest.raises(SignatureError, match="belongs to job"):
        unpack(replace(envelope, queue="elsewhere"), None)
    with pytest.raises(SignatureError, match="belongs to job"):
        unpack(replace(envelope, id="another"), None)


def test_asking_outside_an_attempt() -> None:
    made = Silent("x")
    assert (made.attempts, made.job_id, made.is_cancelled()) == (0, None, False)
    made.update_progress(50)
    with pytest.raises(ConfigurationError, match="outside an attempt"):
        made.release(5)


def test_a_job_without_handle_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"Silent has no handle\(\)"):
        Silent("x").handle()


def test_every_dispatch_has_its_own_id_and_a_promised_one_serves_once(taken: Collects) -> None:
    promised = Mail.dispatch_after_response("a")
    (mail,) = taken.jobs
    ids = [pack(mail, queue="mail", keyring=None).id for _ in range(3)]
    assert ids[0] == promised
    assert len(set(ids)) == 3
    assert mail.job_id == ids[-1]
