"""What a job may ask for, where two such things meet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import meeting_jobs as jobs
import pytest
from fakes.managers import in_use

from qcore import (
    ConfigurationError,
    JobFailed,
    JobRecord,
    JobState,
    PermissionDenied,
    QueueManager,
    deferring,
    dispatch_many,
    events,
    on,
)
from qcore.codec import encode_arguments
from qcore.crypto.keyring import generate_key
from qcore.envelope import Exclusive, Start
from qcore.jobs.packing import unpack
from qcore.middleware import WithoutOverlapping
from qcore.worker import StopReason, Worker, WorkerOptions

Work = Callable[..., StopReason]
CARD = "4111111111111111"


@pytest.fixture
def keyed() -> Iterator[QueueManager]:
    """A manager with a key and three connections in memory."""
    connections = {"default": {"driver": "memory"}, "sync": {"driver": "sync"}, "other": {"driver": "memory"}}
    with in_use({"key": generate_key()}, app_config={"QUEUE_CONFIG": connections}) as manager:
        yield manager


def test_a_middleware_that_logs_tells_nothing_of_what_is_hidden(
    keyed: QueueManager, work: Work, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    jobs.Charge.dispatch(CARD)
    work()
    with pytest.raises(ConnectionError):
        jobs.Charge.dispatch_now(CARD)
    said = capfd.readouterr()
    assert caplog.text.count("job raised") == 2
    assert CARD not in said.err + said.out + caplog.text


@pytest.mark.parametrize("again", [False, True], ids=["an error of its own", "the job's"])
def test_a_listener_that_raises_tells_nothing_of_what_is_hidden(
    keyed: QueueManager, work: Work, caplog: pytest.LogCaptureFixture, *, again: bool
) -> None:
    @on(JobFailed)
    def broken(event: JobFailed) -> None:
        if again:
            raise event.error
        raise RuntimeError("the listener broke")

    try:
        jobs.Charge.dispatch(CARD)
        with caplog.at_level(logging.DEBUG):
            work()
    finally:
        events.off(broken)
    assert "broken raised" in caplog.text
    assert CARD not in caplog.text


def test_keys_of_locks_tell_nothing_of_what_is_hidden(keyed: QueueManager, work: Work, heard: Any) -> None:
    store = keyed.connection()
    assert jobs.OncePerCard.dispatch(CARD)
    assert jobs.OncePerCard.dispatch(CARD) is None  # and yet they hold
    assert jobs.OncePerCard.dispatch("another")
    assert jobs.Settles.dispatch("1234")
    keys = [lock.key for lock in store.locks().locks]
    digest = hashlib.sha256(encode_arguments(("1234",), {}, job="meeting_jobs:Settles", target=jobs.Settles))
    assert len(keys) == 3
    assert not [key for key in keys if CARD in key or digest.hexdigest() in key]
    payloads = [job.payload for job in store.page("pending", payloads=True).jobs]
    assert len(payloads) == 2
    assert not [payload for payload in payloads if CARD.encode() in payload]
    work()
    assert len(heard) == 2


def test_who_acts_is_who_asked_not_who_answers_last(keyed: QueueManager, work: Work, heard: Any) -> None:
    with deferring(), QueueManager.acting_as("eve", []):
        job_id = jobs.Pays.dispatch_after_response()
    work(grants=("pay",))
    record = JobRecord.find(job_id)
    assert (record.state, heard) == (JobState.FAILED, [])
    assert "PermissionDenied" in (record.error or "")


def test_dispatch_now_asks_whoever_acts(keyed: QueueManager, heard: Any) -> None:
    for kind in (jobs.Pays, jobs.Guarded):
        with QueueManager.acting_as("eve", []), pytest.raises(PermissionDenied):
            kind.dispatch_now()
    assert heard == []


def test_a_job_that_leaves_frees_its_lock_where_it_was_dispatched(keyed: QueueManager) -> None:
    for _ in range(2):  # the second would be refused if the first still held it
        with pytest.raises(SystemExit):
            jobs.Leaves().on_connection("sync").dispatch()


def test_a_job_that_cannot_be_built_frees_its_lock_elsewhere(
    keyed: QueueManager, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.Elsewhere()
    monkeypatch.setattr(jobs.Elsewhere, "is_broken", True)
    with pytest.raises(ValueError, match="no"):
        job.on_connection("sync").dispatch()
    monkeypatch.setattr(jobs.Elsewhere, "is_broken", False)
    assert jobs.Elsewhere().on_connection("sync").dispatch()
    assert heard == [("elsewhere",)]


def test_what_must_not_overlap_is_said_by_a_class() -> None:
    with pytest.raises(ConfigurationError, match="must not overlap"):
        QueueManager.middleware(WithoutOverlapping("everything"))


def test_jobs_kept_back_are_no_attempts(keyed: QueueManager, heard: Any) -> None:
    """A worker that may run so many jobs has run none of them, and learns nothing of how long they take."""
    store = keyed.connection()
    jobs.Alone.dispatch()
    (held,) = store.reserve(["default"], 1, "somebody", 1)
    options = unpack(held, keyed.keyring("default")).options
    assert options is not None
    assert options.overlap is not None
    store.start([Start(id=held.id, token=held.token, lock=None, exclusive=Exclusive(options.overlap.key, 0))])
    dispatch_many([jobs.Alone() for _ in range(20)])
    worker = Worker(options=WorkerOptions(max_jobs=5, stop_when_empty=True))
    assert worker.run() is StopReason.EMPTY
    assert heard == []
    assert worker._prefetch.is_long("meeting_jobs:Alone")
