"""Unique jobs as a user writes them: what is refused, and when the lock is free again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lock_jobs as jobs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from qcore import ConfigurationError, JobRecord, JobState, QueueFullError, QueueManager, define_queue, dispatch_many
from qcore.config import load_settings
from qcore.jobs.keys import LONGEST_KEY, key_of
from qcore.monitor import Monitor
from qcore.monitor.actions import Actions
from qcore.worker import StopReason

Work = Callable[..., StopReason]
Heard = list[tuple[Any, ...]]


def wait_s(job_id: str) -> float:
    """Seconds from now until a job is due, nearly."""
    record = JobRecord.find(job_id)
    return round((record.due_at - record.created_at).total_seconds())


def count(manager: QueueManager) -> int:
    return manager.size("default")


def test_the_second_dispatch_returns_none(real_manager: QueueManager) -> None:
    first = jobs.Import.dispatch(7)
    assert first is not None
    assert jobs.Import.dispatch(7) is None
    assert jobs.Import.dispatch_if(True, 7) is None
    assert jobs.Import.dispatch(8) is not None
    assert count(real_manager) == 2
    assert jobs.held() == ["lock_jobs:Import:user-7", "lock_jobs:Import:user-8"]


@pytest.mark.parametrize("end", ["well", "badly"])
def test_the_lock_ends_with_the_job(real_manager: QueueManager, work: Work, heard: Heard, end: str) -> None:
    jobs.Import.dispatch(7, end)
    work()
    assert heard == [("import", 7, None)]  # nor from inside its own handle
    assert jobs.held() == []
    assert jobs.Import.dispatch(7) is not None


def test_a_snoozed_job_keeps_it(real_manager: QueueManager, work: Work) -> None:
    job_id = jobs.Import.dispatch(7, "later")
    work()
    assert jobs.Import.dispatch(7) is None
    assert JobRecord.find(job_id).cancel()
    assert jobs.Import.dispatch(7) is not None


def test_a_retried_job_is_unique_again(real_manager: QueueManager, work: Work) -> None:
    job_id = jobs.Import.dispatch(7, "badly")
    work()
    assert real_manager.retry([job_id]) == 1
    assert jobs.Import.dispatch(7) is None


def test_a_job_whose_payload_cannot_be_read_frees_its_lock(real_manager: QueueManager, work: Work) -> None:
    store = real_manager.connection()
    sealed = real_manager.seal(jobs.Import(7), real_manager.settings.connection())
    store.push([msgspec.structs.replace(sealed, payload=b"\x00broken")])
    assert jobs.Import.dispatch(7) is None
    work()
    assert JobRecord.find(sealed.id).state is JobState.FAILED
    assert jobs.held() == []


def test_a_job_whose_class_is_gone_frees_its_lock(
    real_manager: QueueManager, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = jobs.Import.dispatch(7)
    monkeypatch.delattr(jobs, "Import")
    real_manager.classes.forget()
    work()
    assert JobRecord.find(job_id).state is JobState.FAILED
    assert jobs.held() == []


def test_many_at_once(real_manager: QueueManager) -> None:
    ids = dispatch_many([jobs.Import(1), jobs.Plain(), jobs.Import(1), jobs.Import(2), jobs.Plain(), jobs.Named()])
    assert [job_id is not None for job_id in ids] == [True, True, False, True, False, True]
    assert count(real_manager) == 4
    assert "lock_jobs:Named:the one" in jobs.held()


def test_until_processing(real_manager: QueueManager, work: Work, heard: Heard) -> None:
    first = jobs.WhileWaiting.dispatch()
    assert jobs.WhileWaiting.dispatch() is None
    work()
    (one, two) = heard
    assert one[1] == []
    assert one[2] not in (None, first)
    assert two == ["began", [], None]
    assert jobs.held() == []


@pytest.mark.parametrize("kind", [{"threads": 2}, {"async_jobs": 4}], ids=["threads", "async"])
def test_until_processing_in_every_executor(
    manager: QueueManager, work: Work, heard: Heard, kind: dict[str, int]
) -> None:
    jobs.WhileWaiting.dispatch()
    work(**kind)
    assert [one[0] for one in heard] == ["began", "began"]
    assert jobs.held() == []


def test_the_last_wins(real_manager: QueueManager, work: Work, heard: Heard) -> None:
    ids = [jobs.Last.dispatch(word) for word in ("one", "two", "three")]
    assert None not in ids
    assert [JobRecord.find(job_id).state for job_id in ids] == [JobState.CANCELLED] * 2 + [JobState.PENDING]
    work()
    assert heard == [("three",)]


def test_debounce(real_manager: QueueManager) -> None:
    first = jobs.Reindex.dispatch(1)
    other = jobs.Reindex.dispatch(2)
    second = jobs.Reindex(1).debounce(50).dispatch()
    assert JobRecord.find(first).state is JobState.CANCELLED
    assert JobRecord.find(other).state is JobState.PENDING
    assert (wait_s(other), wait_s(second)) == (30, 50)
    third = jobs.Reindex(1).debounce(55, max_wait=3600).dispatch()
    assert wait_s(third) == 55
    last = jobs.Reindex(1).debounce(300, max_wait=300).dispatch()
    assert 290 <= wait_s(last) <= 300
    assert count(real_manager) == 2
    assert wait_s(jobs.Plain().debounce(5, 5).dispatch()) == 5


def test_in_the_callers_transaction(real_manager: QueueManager) -> None:
    store = real_manager.connection()
    if not store.capabilities.transactional:
        pytest.skip("the store has no transactions of the caller's")
    store.migrate()
    engine = create_engine(real_manager.settings.connection().url)
    with Session(engine) as session:
        assert jobs.Import.dispatch(7, session=session) is not None
        assert jobs.Import.dispatch(7, session=session) is None
        session.rollback()
        assert jobs.held() == []
        first = jobs.Import.dispatch(7, session=session)
        session.commit()
        assert jobs.Import.dispatch(7, session=session) is None
        session.commit()
    engine.dispose()
    assert jobs.Import.dispatch(7) is None
    assert JobRecord.find(first).state is JobState.PENDING
    assert count(real_manager) == 1


def test_a_full_queue_in_the_callers_transaction_leaves_no_lock(real_manager: QueueManager) -> None:
    store = real_manager.connection()
    if not store.capabilities.transactional:
        pytest.skip("the store has no transactions of the caller's")
    define_queue("default", max_jobs=1)
    jobs.Plain.dispatch()
    engine = create_engine(real_manager.settings.connection().url)
    with Session(engine) as session:
        with pytest.raises(QueueFullError):
            dispatch_many([jobs.Import(7), jobs.Import(8)], session=session)
        session.commit()
    engine.dispose()
    assert jobs.held() == ["lock_jobs:Plain:"]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_after_commit(manager: QueueManager, end: str) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        job = jobs.Import(7)
        job.after_commit = True
        job.dispatch(session=session)
        assert jobs.held() == []
        getattr(session, end)()
    engine.dispose()
    assert len(jobs.held()) == (end == "commit")
    assert (jobs.Import.dispatch(7) is None) is (end == "commit")


def test_on_a_sync_connection(heard: Heard) -> None:
    manager = QueueManager(load_settings({"url": "sync://"}, environ={}))
    with manager.using():
        for _ in range(2):
            assert jobs.Import.dispatch(7) is not None
            assert jobs.held() == []
        assert jobs.WhileWaiting.dispatch() is not None
    manager.close()
    assert heard == [("import", 7, None), ("import", 7, None), ["began", [], None]]


# --- a lock that another connection keeps ----------------------------------------------------------------------------


@pytest.fixture
def two_stores(tmp_path: Path) -> Iterator[QueueManager]:
    stores = {"main": f"sqlite:///{tmp_path}/main.db", "keeper": f"sqlite:///{tmp_path}/keeper.db"}
    config = {name: {"driver": "database", "connection": name} for name in stores}
    app = {"QUEUE_CONFIG": {"default": config["main"], "keeper": config["keeper"]}, "STORES": stores}
    manager = QueueManager(load_settings({}, app_config=app, environ={}))
    with manager.using():
        yield manager
    manager.close()


@pytest.mark.parametrize("end", ["well", "badly"])
@pytest.mark.parametrize("kind", [{}, {"async_jobs": 2}], ids=["inline", "async"])
def test_another_connection_keeps_it(
    two_stores: QueueManager, work: Work, heard: Heard, end: str, kind: dict[str, int]
) -> None:
    assert jobs.Elsewhere.dispatch(end) is not None
    assert jobs.Elsewhere.dispatch() is None
    assert (jobs.held(), jobs.held("keeper")) == ([], ["lock_jobs:Elsewhere:"])
    work(**kind)
    assert heard == [("elsewhere", ["lock_jobs:Elsewhere:"])]
    assert jobs.held("keeper") == []
    assert dispatch_many([jobs.Elsewhere(), jobs.Elsewhere(), jobs.Plain()])[1] is None


def test_what_another_connection_keeps_is_listed_and_released(two_stores: QueueManager) -> None:
    jobs.Elsewhere.dispatch()
    own = jobs.Elsewhere()
    own.via = "default"
    own.dispatch()
    monitor = Monitor(two_stores)
    kept = [(lock.connection, lock.key) for lock in monitor.locks().locks]
    assert kept == [("default", "lock_jobs:Elsewhere:"), ("keeper", "lock_jobs:Elsewhere:")]
    first = monitor.locks(limit=1)
    rest = monitor.locks(limit=1, cursor=first.next_cursor)
    assert [lock.connection for page in (first, rest) for lock in page.locks] == ["default", "keeper"]
    assert rest.next_cursor is None
    assert [lock.connection for lock in monitor.locks(connection="keeper").locks] == ["keeper"]
    assert Actions(two_stores, "keeper").release_lock("lock_jobs:Elsewhere:").changed == 1
    assert jobs.held("keeper") == []
    own.via = "keeper"
    own.dispatch()
    assert Actions(two_stores).release_lock("lock_jobs:Elsewhere:").changed == 2
    assert monitor.locks().locks == ()


def test_limits_of_every_connection_in_use_are_listed(two_stores: QueueManager) -> None:
    define_queue("far", connection="keeper")
    for queue in ("near", "far"):
        jobs.Plain().on_queue(queue).dispatch()
        two_stores.rate_limit(queue, 10, per_seconds=60)
    monitor = Monitor(two_stores)
    listed = [(one.connection, one.key) for one in monitor.limits().limits]
    assert [connection for connection, _ in listed] == ["default", "keeper"]
    pages = [monitor.limits(limit=1)]
    while pages[-1].next_cursor is not None:
        pages.append(monitor.limits(limit=1, cursor=pages[-1].next_cursor))
    assert [(one.connection, one.key) for page in pages for one in page.limits] == listed


@pytest.mark.parametrize("end", ["well", "badly"])
@pytest.mark.parametrize("kind", [{}, {"async_jobs": 2}], ids=["inline", "async"])
def test_another_connection_frees_it_once_the_end_is_stored(
    two_stores: QueueManager, work: Work, monkeypatch: pytest.MonkeyPatch, end: str, kind: dict[str, int]
) -> None:
    """A worker killed between the two leaves a lock that ends by itself, and no job that runs again without one."""
    free = two_stores.free_elsewhere
    states: list[Any] = []

    def noted(lock: Any, owner: str) -> None:
        stored = two_stores.connection().find(owner)  # by itself: the thread that calls may know no manager
        states.append(stored and stored.state)
        free(lock, owner)

    monkeypatch.setattr(two_stores, "free_elsewhere", noted)
    jobs.AsyncElsewhere.dispatch(end)
    work(**kind)
    assert states == [JobState.COMPLETED if end == "well" else JobState.FAILED]
    assert jobs.held("keeper") == []


def test_another_connection_keeps_it_until_the_start(two_stores: QueueManager, work: Work, heard: Heard) -> None:
    jobs.ElsewhereUntilStart.dispatch()
    assert jobs.ElsewhereUntilStart.dispatch() is None
    work()
    assert heard == [("elsewhere", [])]


@pytest.mark.parametrize(
    "by_hand",
    [
        lambda manager, job_id: JobRecord.find(job_id).cancel(),
        lambda manager, job_id: Actions(manager).cancel([job_id]),
        lambda manager, job_id: manager.clear("default"),
        lambda manager, job_id: Actions(manager).clear("default"),
    ],
    ids=["record.cancel", "actions.cancel", "manager.clear", "actions.clear"],
)
@pytest.mark.parametrize("delay_s", [0, 60])
def test_another_connection_frees_it_with_a_job_that_is_dropped(
    two_stores: QueueManager, by_hand: Callable[[QueueManager, str], object], delay_s: int
) -> None:
    jobs.Plain.dispatch()
    job_id = jobs.Elsewhere().delay_until(delay_s).dispatch()
    by_hand(two_stores, job_id)
    assert jobs.held("keeper") == []
    assert jobs.Elsewhere.dispatch() is not None


@pytest.mark.parametrize("retry", [lambda m, ids: m.retry(ids), lambda m, _: m.retry("all")], ids=["ids", "all"])
def test_a_job_that_is_put_back_takes_it_again(
    two_stores: QueueManager, work: Work, retry: Callable[[QueueManager, list[str]], int]
) -> None:
    first = jobs.Elsewhere.dispatch("badly")
    work()
    second = jobs.Elsewhere.dispatch()
    assert retry(two_stores, [first]) == 0, "the other one lives"
    assert JobRecord.find(first).state is JobState.FAILED
    assert Actions(two_stores).retry([first]).failed[0][1].startswith("another job holds its unique lock")
    JobRecord.find(second).cancel()
    assert retry(two_stores, [first]) == 1
    assert jobs.held("keeper") == ["lock_jobs:Elsewhere:"]
    assert jobs.Elsewhere.dispatch() is None
    work()
    assert jobs.held("keeper") == []


def test_what_is_not_put_back_holds_nothing(two_stores: QueueManager, work: Work) -> None:
    job_id = jobs.Elsewhere.dispatch()
    work()
    assert Actions(two_stores).retry([job_id]).changed == 0
    assert jobs.held("keeper") == []


def test_its_own_connection_keeps_it_in_the_same_step(two_stores: QueueManager) -> None:
    job = jobs.Elsewhere()
    job.via = "default"
    assert job.dispatch() is not None
    assert (jobs.held(), jobs.held("keeper")) == (["lock_jobs:Elsewhere:"], [])


def test_a_push_that_failed_leaves_no_lock_elsewhere(two_stores: QueueManager) -> None:
    define_queue("default", max_jobs=1)
    jobs.Plain.dispatch()
    with pytest.raises(QueueFullError):
        jobs.Elsewhere.dispatch()
    assert jobs.held("keeper") == []


@pytest.mark.parametrize(
    ("ends", "is_kept"),
    [
        (["commit"], True),
        (["rollback"], False),
        (["close"], False),
        (["savepoint", "commit", "commit"], True),
        (["savepoint", "rollback", "commit"], False),
        (["savepoint", "commit", "rollback"], False),
    ],
    ids=str,
)
def test_a_transaction_that_is_taken_back_leaves_no_lock_elsewhere(
    two_stores: QueueManager, ends: list[str], is_kept: bool
) -> None:
    with two_stores.connection().session() as session:
        session.begin()
        whole = [session, *([session.begin_nested()] if ends[0] == "savepoint" else [])]
        assert jobs.Elsewhere.dispatch(session=session) is not None
        assert jobs.held("keeper") == ["lock_jobs:Elsewhere:"]
        for end in [end for end in ends if end != "savepoint"]:
            getattr(whole.pop(), end)()
    assert bool(jobs.held("keeper")) is is_kept
    assert two_stores.get_stats("default").pending == is_kept


# --- what is wrong is said -------------------------------------------------------------------------------------------


def test_what_makes_no_sense_is_refused(manager: QueueManager) -> None:
    class NoText(jobs.Import):
        def unique_id(self) -> Any:
            return None

    replacing = jobs.Elsewhere()
    replacing.unique_replaces = True
    unknown = jobs.Elsewhere()
    unknown.via = "nowhere"
    for job, words in (
        (jobs.Unbounded(), "no end of its own"),
        (replacing, "cannot replace another"),
        (unknown, "nowhere"),
        (jobs.Reindex().debounce(0), "waits 0 s"),
        (jobs.Reindex().debounce(5, 1), "1 s at the most"),
        (jobs.Reindex().debounce("soon"), "no duration"),  # type: ignore[arg-type]
        (jobs.Reindex().delay_until(5), "a delay and is debounced"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            job.dispatch()
    assert jobs.held() == []
    assert manager.queues() == []


@given(st.text(max_size=400), st.text(max_size=400))
def test_keys_are_what_every_store_can_hold_and_tell_apart(one: str, other: str) -> None:
    key = key_of("app.jobs:Job", one)
    assert len(key) <= LONGEST_KEY
    assert key.isprintable()
    key.encode()
    assert (key == key_of("app.jobs:Job", other)) is (one == other)


@pytest.mark.parametrize("user", ["x" * 500, "né\x00\ud800", "a\nb"])
def test_any_id_will_do(real_manager: QueueManager, user: str) -> None:
    job = jobs.Import(1)
    job.user = user
    assert job.dispatch() is not None
    again = jobs.Import(2)
    again.user = user
    assert again.dispatch() is None
