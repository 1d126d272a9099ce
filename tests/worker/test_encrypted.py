"""What is encrypted is read by the job alone: not in the store, not in lists, not in errors, not in logs."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sealed_jobs as jobs
from fakes.managers import in_use
from fakes.raw import raw

from qcore import ConfigurationError, JobRecord, JobState, QueueManager, define_queue
from qcore.crypto.keyring import generate_key
from qcore.crypto.pair import generate_pair
from qcore.errors import PayloadError
from qcore.monitor import Monitor
from qcore.worker import StopReason

Work = Callable[..., StopReason]
SECRET = "4111-1111-1111-1234"
KEY = generate_key()


@pytest.fixture(autouse=True)
def heard() -> list[tuple[Any, ...]]:
    jobs.HEARD.clear()
    return jobs.HEARD


@pytest.fixture
def keyed(store_url: str) -> Iterator[QueueManager]:
    """A manager with a key, on each kind of store that outlives a process."""
    with opened(store_url) as manager:
        yield manager


def opened(url: str, **flags: Any) -> Any:
    return in_use({"url": url, "key": KEY, **flags})


def test_arguments_and_result_are_read_by_the_job_and_its_owner_alone(
    keyed: QueueManager, store_url: str, work: Work, heard: Any
) -> None:
    job_id = jobs.Note.dispatch({"card": SECRET}, copies=2)
    assert SECRET.encode() not in raw(store_url)
    work()
    assert heard == [("note", {"card": SECRET}, 2)]
    assert SECRET.encode() not in raw(store_url)
    assert JobRecord.find(job_id).result == {"echo": {"card": SECRET}}
    plain_id = jobs.Plain.dispatch(SECRET)
    assert SECRET.encode() in raw(store_url), "the search would find it"
    work()
    assert JobRecord.find(plain_id).result == SECRET


def test_lists_and_screens_show_a_mask(keyed: QueueManager, work: Work) -> None:
    job_id = jobs.Note.dispatch(SECRET)
    work()
    shown = Monitor(keyed).job(job_id)
    assert (shown.arguments, shown.result) == ("•••", "•••")
    assert shown.payload == {"args": ["•••"], "kwargs": {}, "options": {}, "encrypted": True}
    assert shown.job == "sealed_jobs:Note", "the class stays clear"
    assert SECRET not in repr(shown) + repr(Monitor(keyed).jobs("completed"))


@pytest.mark.parametrize("where", ["handle", "constructor", "failed"])
def test_a_failure_is_told_without_the_secret(
    keyed: QueueManager, store_url: str, work: Work, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    job_id = dispatched(where)
    work(observer=Tells(told))
    record = JobRecord.find(job_id)
    assert record.state is JobState.FAILED
    assert "no luck with •••, that is '•••'" in (record.traceback or "")
    seen = [raw(store_url).decode("utf-8", "replace"), caplog.text, *told]
    seen += [repr(Monitor(keyed).job(job_id)), repr(Monitor(keyed).jobs("failed"))]
    assert [text for text in seen if SECRET in text] == []
    if where == "failed":
        assert "failed() raised" in caplog.text
        assert "no luck with •••" in caplog.text
    if where != "constructor":
        assert record.progress_note == "half of •••"


def dispatched(where: str) -> str:
    """Dispatch a job that leaks, also one whose constructor does so in the worker alone."""
    made = jobs.Leaks(SECRET, "handle")
    made._arguments = ((SECRET, where), {})
    return made.dispatch()


class Tells:
    """Writes down all that a worker tells of its attempts."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self._told.append(repr((name, args)))


def test_a_secret_of_several_lines_is_found_in_the_traceback_of_a_group(
    keyed: QueueManager, store_url: str, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["MIIEpAIBAAKCAQEA7vJ", "s9xhQmD4uHn1Zc2kPpR"]
    job_id = jobs.LeaksInGroup.dispatch("\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"]))
    work()
    record = JobRecord.find(job_id)
    assert record.state is JobState.FAILED
    assert "ValueError: no luck with •••" in (record.traceback or "")
    seen = [raw(store_url).decode("utf-8", "replace"), caplog.text, repr(Monitor(keyed).job(job_id)), record.traceback]
    assert [line for line in lines for text in seen if line in (text or "")] == []


class Telltale:
    def __repr__(self) -> str:
        return f"Telltale({SECRET})"


@pytest.mark.parametrize("wrong", [Telltale(), {SECRET: Telltale()}, {(SECRET, Telltale()): 1}])
@pytest.mark.parametrize("job", [jobs.Note, jobs.Whispered, jobs.Plain])
def test_what_cannot_travel_is_refused_without_the_secret(keyed: QueueManager, wrong: Any, job: Any) -> None:
    define_queue("hushed", encryption_enabled=job is jobs.Plain)
    with pytest.raises(PayloadError) as caught:
        job(wrong).on_queue("hushed").dispatch()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_unique_id_that_is_none_is_refused_without_the_secret(keyed: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match=r"unique_id: list is no text$"):
        jobs.Single([SECRET]).dispatch()


@pytest.mark.parametrize("kind", [{}, {"async_jobs": 2}], ids=["inline", "async"])
def test_an_error_that_nobody_awaited_is_told_without_the_secret(
    keyed: QueueManager, work: Work, caplog: pytest.LogCaptureFixture, kind: dict[str, int]
) -> None:
    jobs.Abandons.dispatch(SECRET)
    work(**kind)
    gc.collect()
    assert "exception was never retrieved: ValueError" in caplog.text
    assert "in _refuse" in caplog.text
    assert SECRET not in caplog.text


def test_a_queue_encrypts_every_job(keyed: QueueManager, store_url: str, work: Work, heard: Any) -> None:
    define_queue("notes", encryption_enabled=True)
    job_id = jobs.jot.dispatch(SECRET)
    jobs.Plain("open").dispatch()
    assert SECRET.encode() not in raw(store_url)
    assert Monitor(keyed).job(job_id).arguments == "•••"
    work(["notes", "default"])
    assert heard == [("jot", SECRET), ("plain", "open")]
    assert JobRecord.find(job_id).result == SECRET


def test_a_key_that_was_replaced_still_opens(store_url: str, work: Work, heard: Any) -> None:
    with opened(store_url):
        job_id = jobs.Note.dispatch(SECRET)
    with opened(store_url, key=generate_key(), previous_keys=KEY):
        work()
        assert heard == [("note", SECRET, 1)]
    with opened(store_url):
        assert JobRecord.find(job_id).state is JobState.COMPLETED


def test_previous_keys_stand_behind_a_key_file(tmp_path: Path, work: Work, heard: Any) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    with opened(url):
        hidden, plain = jobs.Note.dispatch(SECRET), jobs.Plain.dispatch("plain")
    with in_use({"url": url, "previous_keys": KEY}):
        new = jobs.Plain.dispatch("new")
        work()
        assert {JobRecord.find(one).state for one in (hidden, plain, new)} == {JobState.COMPLETED}
    with in_use({"url": url}):
        assert JobRecord.find(new).result == "new", "the key of the file signs"


@pytest.mark.parametrize("more", [{}, {"verify_keys": generate_pair()[1]}])
@pytest.mark.parametrize("url", ["memory://", "redis://127.0.0.1:1/0", "postgresql+psycopg://127.0.0.1:1/q"])
def test_previous_keys_without_a_key_are_refused(url: str, more: dict[str, str]) -> None:
    with (
        in_use({"url": url, "previous_keys": KEY, **more}),
        pytest.raises(ConfigurationError, match=r'connection "\w+" has previous keys \(QCTL_PREVIOUS_KEYS\)') as caught,
    ):
        jobs.Plain.dispatch("never")
    assert "set QCTL_KEY too" in caught.value.hint


def test_what_no_key_opens_fails_at_once_and_stays(keyed: QueueManager, work: Work, heard: Any) -> None:
    """The seal is good, and its content is of another key: as when signing keys alone were kept."""
    from qcore.crypto.keyring import Keyring
    from qcore.crypto.signature import seal
    from qcore.jobs.packing import encode_payload, pack, unpack

    other = Keyring.of(generate_key())
    envelope = pack(jobs.Note(SECRET), queue="default", keyring=other)
    payload = unpack(envelope, other)
    sealed = seal(encode_payload(payload), keyed.keyring("default"))
    keyed.connection().push([msgspec.structs.replace(envelope, payload=sealed)])
    work()
    record = JobRecord.find(envelope.id)
    assert heard == []
    assert (record.state, record.attempts) == (JobState.FAILED, 1)
    assert (record.error or "").startswith("qcore.errors.DecryptionError: ")
    assert keyed.get_stats("default").failed == 1


@pytest.mark.parametrize("make", [lambda: jobs.Note(SECRET), jobs.Free, lambda: jobs.Plain(1).on_queue("x")])
def test_without_a_key_nothing_is_stored_and_the_command_is_named(make: Callable[[], Any]) -> None:
    define_queue("x", encryption_enabled=True)
    with in_use({"url": "memory://"}) as manager:
        with pytest.raises(ConfigurationError) as caught:
            make().dispatch()
        assert "qctl key:generate" in caught.value.hint
        assert sum(manager.size(queue) for queue in ("default", "x")) == 0


def test_sqlite_has_a_key_by_itself(tmp_path: Any, work: Work, heard: Any) -> None:
    with in_use({"url": f"sqlite:///{tmp_path}/own.db"}):
        jobs.Note.dispatch(SECRET)
        work()
    assert heard == [("note", SECRET, 1)]


def test_where_no_queue_is_kept_the_same_holds(heard: Any) -> None:
    with opened("sync://") as manager:
        job_id = jobs.Note.dispatch(SECRET)
        assert heard == [("note", SECRET, 1)]
        assert JobRecord.find(job_id).result == {"echo": SECRET}
        with pytest.raises(RuntimeError):
            dispatched("handle")
        shown = Monitor(manager).jobs("failed").jobs
        assert len(shown) == 1
        told = repr(Monitor(manager).job(shown[0].id))
        assert "no luck with •••" in told
        assert SECRET not in told
