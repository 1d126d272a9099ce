"""`self.transaction()`: the rows of a job and its end are committed together, or neither is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import row_jobs as jobs
from fakes.store import URLS, fresh_url
from sqlalchemy import Engine, create_engine, text

from qcore import ChainMonitor, JobRecord, JobState, QueueManager, chain
from qcore.jobs.dispatch import dispatch_many
from qcore.settlement import Settlement
from qcore.worker import StopReason

Work = Callable[..., StopReason]
DATABASES = [kind for kind in URLS if "redis" not in str(kind)]


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """An empty database."""
    return fresh_url(request.param, tmp_path)


@pytest.fixture
def rows(store_url: str, real_manager: QueueManager) -> Iterator[Callable[[], list[str]]]:
    """The ids of the jobs whose rows were committed."""
    engine: Engine = create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS written"))
        connection.execute(text("CREATE TABLE written (job_id VARCHAR(40))"))

    def read() -> list[str]:
        with engine.connect() as connection:
            return sorted(connection.execute(text("SELECT job_id FROM written")).scalars())

    yield read
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE written"))
    engine.dispose()


@pytest.mark.parametrize("kind", [jobs.Writes, jobs.AsyncWrites])
@pytest.mark.parametrize("options", [{}, {"threads": 3}, {"async_jobs": 3}], ids=["inline", "threads", "async"])
def test_rows_and_ends(rows: Any, work: Work, kind: type[jobs.Writes], options: dict[str, int]) -> None:
    ids = dispatch_many([kind() for _ in range(5)])
    work(**options)
    assert rows() == sorted(map(str, ids))
    assert {JobRecord.find(str(job_id)).state for job_id in ids} == {JobState.COMPLETED}
    counts = QueueManager.current().get_stats("default")
    assert (counts.completed, counts.processing, counts.pending) == (5, 0, 0)


def test_an_error_inside_takes_the_rows_back(rows: Any, work: Work) -> None:
    job_id = jobs.Writes.dispatch("inside")
    work()
    while JobRecord.find(str(job_id)).state is JobState.RETRYING:
        work()
    assert rows() == [job_id]
    record = JobRecord.find(str(job_id))
    assert (record.state, record.attempts) == (JobState.COMPLETED, 2)


def test_an_error_after_it_changes_nothing(rows: Any, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    job_id = jobs.Writes.dispatch("after")
    work()
    assert rows() == [job_id]
    record = JobRecord.find(str(job_id))
    assert (record.state, record.attempts) == (JobState.COMPLETED, 1)
    assert "it had ended in its transaction" in caplog.text
    assert "too late" in caplog.text


@pytest.mark.parametrize(("trouble", "verb"), [("fail after", "fail"), ("release after", "release")])
def test_a_wish_that_comes_too_late_is_said(
    rows: Any, work: Work, caplog: pytest.LogCaptureFixture, trouble: str, verb: str
) -> None:
    job_id = jobs.Writes.dispatch(trouble)
    work()
    assert rows() == [job_id]
    assert JobRecord.find(str(job_id)).state is JobState.COMPLETED
    assert f"{verb}() comes too late: the job has ended in its transaction" in caplog.text


def test_to_count_as_done_is_no_other_end(rows: Any, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    job_id = jobs.Writes.dispatch("delete after")
    work()
    assert rows() == [job_id]
    assert "too late" not in caplog.text


def test_a_step_that_is_wanted_too_late_is_said(rows: Any, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    chain_id = chain([jobs.Appends(), jobs.Writes()]).dispatch()
    work()
    assert len(rows()) == 1
    assert ChainMonitor(chain_id).get_status().total_steps == 2
    assert "chain_append() comes too late" in caplog.text


@pytest.mark.parametrize(("trouble", "kept"), [("wish before", 0), ("twice", 1), ("nested", 0)])
def test_a_job_ends_once(rows: Any, work: Work, caplog: pytest.LogCaptureFixture, trouble: str, kept: int) -> None:
    job_id = jobs.Writes.dispatch(trouble)
    work(max_jobs=1)
    assert len(rows()) == kept
    state = JobRecord.find(str(job_id)).state
    assert state is (JobState.COMPLETED if kept else JobState.RETRYING)


def test_an_answer_to_the_commit_that_gets_lost_fails_nothing(
    rows: Any, work: Work, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.orm import Session

    real = Session.commit

    def deaf(session: Session) -> None:
        real(session)
        raise ConnectionError("the answer got lost")

    monkeypatch.setattr(Session, "commit", deaf)
    failed: list[str] = []
    monkeypatch.setattr(jobs.Writes, "failed", lambda self, error: failed.append(str(error)), raising=False)
    job_id = jobs.Writes().with_tries(1).dispatch()
    work()
    assert failed == []
    assert rows() == [job_id]
    assert JobRecord.find(job_id).state is JobState.COMPLETED
    assert heard == [("", 1)]


def test_what_it_dispatches_is_committed_with_it(rows: Any, work: Work) -> None:
    jobs.Writes.dispatch("dispatches")
    work()
    assert len(rows()) == 2
    assert QueueManager.current().get_stats("default").completed == 2


def test_a_lost_lease_takes_everything_back(rows: Any, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = QueueManager.current().connection()
    settle, job_id = store.settle, jobs.Writes.dispatch()

    def lost(settlements: list[Settlement], *, within: Any = None) -> Any:
        if within is not None:  # somebody has taken the job over meanwhile
            monkeypatch.undo()
            return settlements
        return settle(settlements)

    monkeypatch.setattr(store, "settle", lost)
    work(max_jobs=1)
    assert rows() == []
    record = JobRecord.find(str(job_id))
    assert record.state is JobState.RETRYING
    assert "LeaseLost" in (record.error or "")


def test_there_is_none_without_a_database(manager: QueueManager, work: Work) -> None:
    job_id = jobs.Writes.dispatch()
    work(max_jobs=1)
    assert "has no transactions" in (JobRecord.find(str(job_id)).error or "")


def test_nor_where_no_worker_runs_it(manager: QueueManager) -> None:
    with pytest.raises(Exception, match="no worker runs it"):
        jobs.Writes().dispatch_now()
    with pytest.raises(Exception, match="outside an attempt"):
        jobs.Writes().transaction()
