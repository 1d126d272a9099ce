"""Secure jobs: their sensitive fields are hidden, and those who may not run them never build one."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sealed_jobs as jobs
from fakes.managers import in_use
from fakes.raw import raw

from qcore import ConfigurationError, Job, JobRecord, JobState, PermissionDenied, QueueManager, batch, chain
from qcore.codec import encode_arguments
from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.signature import seal
from qcore.envelope import Envelope
from qcore.identity import current_identity
from qcore.ids import new_id
from qcore.jobs.packing import Payload, class_path, encode_payload
from qcore.monitor import Monitor
from qcore.worker import StopReason

Work = Callable[..., StopReason]
CARD = "4111-1111-1111-1234"
KEY = generate_key()
GRANTED = ("process_payments",)


@pytest.fixture(autouse=True)
def heard() -> list[tuple[Any, ...]]:
    jobs.HEARD.clear()
    return jobs.HEARD


def opened(url: str, **flags: Any) -> Any:
    return in_use({"url": url, "key": KEY, **flags})


@pytest.fixture
def keyed(store_url: str) -> Iterator[QueueManager]:
    """A manager with a key, on each kind of store that outlives a process."""
    with opened(store_url) as manager:
        yield manager


@pytest.fixture
def memory() -> Iterator[QueueManager]:
    """A manager with a key, on a store in memory."""
    with opened("memory://") as manager:
        yield manager


def test_sensitive_fields_are_hidden_and_the_rest_is_not(
    keyed: QueueManager, store_url: str, work: Work, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = jobs.Pay.dispatch({"number": CARD}, 4200, "code-7", "code-8", note="a gift")
    bad = jobs.Pay.dispatch(CARD, amount=99, fails=True)
    heard.clear()
    work(grants=GRANTED)
    assert heard == [
        ("built",),
        ("paid", {"number": CARD}, 4200, ("code-7", "code-8"), {"note": "a gift"}),
        ("built",),
        ("paid", CARD, 99, (), {}),
        ("built",),
        ("told", "ValueError"),
    ]
    shown = Monitor(keyed).job(good)
    assert shown.arguments == "•••, 4200, •••, •••, note=•••"
    assert shown.result == "•••"
    assert JobRecord.find(good).result == "4200 from {'number': '4111-1111-1111-1234'}"
    failed = Monitor(keyed).job(bad)
    assert failed.arguments == "•••, amount=99, fails=True"
    assert failed.error == "ValueError: ••• declined for 99"
    held = raw(store_url)
    for secret in (CARD, "code-7", "code-8", "a gift"):
        assert secret.encode() not in held
        assert secret not in repr(shown) + repr(failed) + caplog.text


@pytest.mark.parametrize("quote", sorted(jobs.QUOTES))
def test_a_sensitive_field_is_hidden_however_it_is_quoted(
    keyed: QueueManager, store_url: str, work: Work, capfd: pytest.CaptureFixture[str], quote: str
) -> None:
    for secret in ("O'Brien-kaiser", 'say "kaiser"', "C:\\kaiser", "käse\nkaiser"):
        job_id = jobs.Quotes.dispatch(secret, quote)
        work()
        shown = Monitor(keyed).job(job_id)
        assert shown.error is not None
        assert "•••" in shown.error
        assert "kaiser" not in repr(shown) + "".join(capfd.readouterr())
    assert b"kaiser" not in raw(store_url)


@pytest.mark.parametrize("option", ["tags", "tenant", "timeout", "backoff", "priority", "max_tries", "queue"])
@pytest.mark.parametrize("length", [1, 500])
def test_what_a_dispatch_refuses_tells_nothing_either(memory: QueueManager, option: str, length: int) -> None:
    secret = "O'Brien-kaiser" * length
    with pytest.raises(ConfigurationError, match=f"Tagged.{option}: ") as caught:
        jobs.Tagged.dispatch(secret, option)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.hint
    assert "kaiser" not in told
    assert caught.value.__context__ is None


def test_nor_does_a_connection_that_is_not_there(memory: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match='no connection "•••"') as caught:
        jobs.Tagged.dispatch("O'Brien-kaiser", "connection")
    assert "kaiser" not in caught.value.hint


@pytest.mark.parametrize("grants", [(), ("refund",)])
def test_a_worker_without_the_grant_refuses_before_anything_of_the_job_runs(
    keyed: QueueManager, work: Work, heard: Any, grants: tuple[str, ...]
) -> None:
    job_id = jobs.Pay.dispatch(CARD, 1)
    heard.clear()
    work(grants=grants)
    assert heard == [], "neither built, nor run, nor told"
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.FAILED, 1)
    assert (record.error or "").startswith("qcore.errors.PermissionDenied: sealed_jobs:Pay requires 'process_payments'")
    keyed.retry([job_id])
    work(grants=GRANTED)
    assert JobRecord.find(job_id).state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("permissions", "state"),
    [(["process_payments", "more"], JobState.COMPLETED), ("process_payments", JobState.COMPLETED),
     (["process"], JobState.FAILED), ([], JobState.FAILED)],
)  # fmt: skip
def test_whoever_dispatches_must_hold_the_permission_too(
    memory: QueueManager, work: Work, heard: Any, permissions: Any, state: JobState
) -> None:
    with QueueManager.acting_as("ada", permissions):
        job_id = jobs.Pay.dispatch(CARD, 1)
    heard.clear()
    work(grants=GRANTED)
    record = JobRecord.find(job_id)
    assert record.state is state
    if state is JobState.FAILED:
        assert heard == []
        assert "'ada', who dispatched it, does not hold" in (record.error or "")
    assert (Monitor(memory).job(job_id).payload or {})["user"] == "ada"


def test_identity_is_of_the_block_alone(memory: QueueManager) -> None:
    with QueueManager.acting_as("ada", ["b", "a", "b"]) as ada:
        assert ada.permissions == ("a", "b")
        with memory.acting_as("bob"):
            assert current_identity() is not ada
        assert current_identity() is ada
    assert current_identity() is None
    for user in ("", None, 7):
        with pytest.raises(ConfigurationError), QueueManager.acting_as(user, []):  # type: ignore[arg-type]
            pass
    with pytest.raises(ConfigurationError, match="is no permission"), QueueManager.acting_as("ada", [""]):
        pass


@pytest.mark.parametrize("job", [jobs.Passes, jobs.PassesLater])
@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"async_jobs": 2}])
def test_what_a_job_dispatches_is_dispatched_for_the_same(
    memory: QueueManager, work: Work, job: type[Job], options: dict[str, int]
) -> None:
    """Else a job could do what whoever dispatched it may not."""
    with QueueManager.acting_as("ada", ["a"]):
        job.dispatch()
    job.dispatch()
    work(max_jobs=2, **options)
    users = [(Monitor(memory).job(one.id).payload or {}).get("user") for one in Monitor(memory).jobs("pending").jobs]
    assert sorted(users, key=str) == [None, None, "ada", "ada"]


@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"async_jobs": 2}])
@pytest.mark.parametrize("kind", [jobs.Enlarges, jobs.EnlargesLater, jobs.Adds])
def test_what_a_member_adds_is_added_for_the_same(
    memory: QueueManager, work: Work, kind: type[Job], options: dict[str, int]
) -> None:
    with QueueManager.acting_as("ada", ["a"]):
        (batch if kind is jobs.Adds else chain)([kind()]).dispatch()
    work(max_jobs=1, **options)
    monitor = Monitor(memory)
    added = [monitor.job(one.id) for one in monitor.jobs("pending").jobs]
    assert added
    assert {(one.payload or {}).get("user") for one in added} == {"ada"}


def test_identity_is_signed_or_nothing_is_stored(work: Work) -> None:
    with (
        in_use({"url": "memory://"}) as manager,
        QueueManager.acting_as("ada"),
        pytest.raises(ConfigurationError, match="dispatched as 'ada', which must be signed"),
    ):
        jobs.Plain.dispatch(1)
    assert manager.size("default") == 0


def test_an_attempt_may_ask_for_more(memory: QueueManager, work: Work, heard: Any) -> None:
    refused = jobs.AsksMore.dispatch()
    work(grants=())
    assert (JobRecord.find(refused).error or "").startswith("qcore.errors.PermissionDenied: AsksMore requires 'refund'")
    with QueueManager.acting_as("ada", ["other"]):
        not_hers = jobs.AsksMore.dispatch()
    work(grants=("refund",))
    assert JobRecord.find(not_hers).state is JobState.FAILED
    assert heard == []
    with QueueManager.acting_as("ada", ["refund"]):
        hers = jobs.AsksMore.dispatch()
    work(grants=("refund",))
    assert JobRecord.find(hers).state is JobState.COMPLETED


def test_an_unsigned_one_is_refused_where_no_key_could_tell(work: Work, heard: Any) -> None:
    """Somebody who can write to the store names a secure class, and the worker has no key to see that by."""
    with in_use({"url": "memory://"}) as manager:
        for job in (jobs.Free(), jobs.Pay(CARD, 1)):
            manager.connection().push([forged(job)])
        heard.clear()
        work(grants=GRANTED)
        errors = [one.error or "" for one in Monitor(manager).jobs("failed").jobs]
    assert heard == []
    assert [error.partition(":")[0] for error in errors] == ["qcore.errors.SignatureError"] * 2


def test_one_that_was_signed_before_its_class_became_secure_is_refused(
    memory: QueueManager, work: Work, heard: Any
) -> None:
    memory.connection().push([forged(jobs.Free(), memory.keyring("default"))])
    work()
    (failed,) = Monitor(memory).jobs("failed").jobs
    assert heard == []
    assert "was signed without saying what it requires" in (failed.error or "")


def forged(job: Job, keyring: Keyring | None = None) -> Envelope:
    """Pack a secure job as a plain one."""
    args, kwargs = job._arguments
    path = class_path(type(job))
    body = Payload(job_id := new_id(), path, "default", encode_arguments(args, kwargs, job=path))
    return Envelope(id=job_id, job=path, queue="default", payload=seal(encode_payload(body), keyring))


def test_a_plain_jobs_own_attributes_mean_nothing(memory: QueueManager, work: Work, heard: Any) -> None:
    jobs.OwnNames.dispatch()
    with QueueManager.acting_as("ada"):
        jobs.OwnNames.dispatch()
        jobs.OwnNames.dispatch_now()
    work()
    assert heard == [("own",)] * 3


def test_a_field_that_is_no_argument_is_said_at_dispatch(memory: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match="Misnamed: 'crad' is sensitive, and no argument") as caught:
        jobs.Misnamed.dispatch(CARD)
    assert "its arguments are: card" in caught.value.hint
    assert memory.size() == 0


@pytest.mark.parametrize("names", [[""], [7], (None,), None, 7, b"pay"])
def test_what_is_no_name_is_said(names: Any) -> None:
    for call in (jobs.Free().set_sensitive_fields, jobs.Free().set_required_permissions):
        with pytest.raises(ConfigurationError, match=r"is no (field|permission)"):
            call(names)


def test_here_and_now_the_same_holds(heard: Any) -> None:
    with opened("memory://"), pytest.raises(PermissionDenied):
        jobs.Pay.dispatch_now(CARD, 1)
    with opened("memory://", grant="process_payments"), QueueManager.acting_as("ada"), pytest.raises(PermissionDenied):
        jobs.Pay.dispatch_now(CARD, 1)
    assert [one[0] for one in heard] == ["built", "built"]
    with opened("memory://", grant="process_payments"):
        assert jobs.Pay.dispatch_now(CARD, 1) == f"1 from {CARD}"


def test_where_no_queue_is_kept_the_same_holds(heard: Any) -> None:
    with opened("sync://") as manager:
        with pytest.raises(PermissionDenied):
            jobs.Pay.dispatch(CARD, 1)
        assert [one[0] for one in heard] == ["built"]
        (failed,) = Monitor(manager).jobs("failed").jobs
        assert (failed.error or "").startswith("PermissionDenied")
    with opened("sync://", grant="process_payments"):
        job_id = jobs.Pay.dispatch(CARD, 1)
        assert JobRecord.find(job_id).result == f"1 from {CARD}"
