"""Jobs that wait for the commit of the caller's SQLAlchemy session: what lets them go, and what drops them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.managers import in_use
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from worker_jobs import Say

from qcore import ConnectionFailed, QueueManager, dispatch_many


class Mail(Say):
    after_commit = True


@pytest.fixture(autouse=True)
def _installed(manager: QueueManager) -> None:
    """Every test dispatches to a store in memory."""


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def stored() -> list[str]:
    """The ids of the jobs that were dispatched, in order."""
    return [record.id for record in reversed(QueueManager.current().connection().page("pending").jobs)]


def send(session: Any, word: str = "sent") -> str:
    return Mail.dispatch(word, session=session)


def begun(session: Session) -> Session:
    session.execute(text("select 1"))
    return session


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "begun"])
@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_only_a_commit_lets_it_go(session: Session, end: str, fresh: bool) -> None:
    job_id = send(session if fresh else begun(session))
    assert stored() == []
    getattr(session, end)()
    assert stored() == ([job_id] if end == "commit" else [])
    begun(session).commit()
    assert len(stored()) == (end == "commit")


def test_without_a_session_it_goes_at_once() -> None:
    job_id = Mail.dispatch("now")
    assert stored() == [job_id]


def test_a_released_savepoint_waits_for_the_whole(session: Session) -> None:
    with session.begin_nested(), session.begin_nested():
        inner = send(session)
    assert stored() == []
    outer = send(session)
    session.commit()
    assert stored() == [inner, outer]


def test_a_released_savepoint_falls_with_the_whole(session: Session) -> None:
    begun(session)
    with session.begin_nested():
        send(session)
    session.rollback()
    begun(session).commit()
    assert stored() == []


def test_a_savepoint_rolled_back_drops_its_own_alone(session: Session) -> None:
    before = send(session)
    savepoint = session.begin_nested()
    send(session)
    with session.begin_nested():
        send(session)
    savepoint.rollback()
    after = send(session)
    session.commit()
    assert stored() == [before, after]


def test_a_commit_takes_open_savepoints_along_and_a_rollback_too(session: Session) -> None:
    session.begin_nested()
    job_id = send(session)
    session.commit()
    assert stored() == [job_id]
    session.begin_nested()
    send(session)
    session.rollback()
    begun(session).commit()
    assert stored() == [job_id]


def test_several_jobs_and_several_transactions(session: Session) -> None:
    first = [send(session, "a"), send(session, "b"), *dispatch_many([Mail("c"), Mail("d")], session=session)]
    session.commit()
    assert stored() == first
    second = send(session)
    session.commit()
    assert stored() == [*first, second]
    send(session)
    session.rollback()
    with session.begin():
        session.execute(text("select 1"))
    assert stored() == [*first, second]


def test_a_block_that_raises_drops_them(session: Session) -> None:
    def broken() -> None:
        with session.begin():
            send(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    begun(session).commit()
    assert stored() == []


def test_a_listener_of_the_callers_own_may_come_and_go(session: Session) -> None:
    heard: list[Session] = []

    def once(committed: Session) -> None:
        heard.append(committed)

    event.listen(session, "after_commit", once, once=True)
    job_id = send(session)
    session.commit()
    assert (heard, stored()) == ([session], [job_id])


def test_a_scoped_session_is_its_session_and_no_other() -> None:
    engine = create_engine("sqlite://")
    scoped = scoped_session(sessionmaker(engine))
    job_id = send(scoped)
    with Session(engine) as other:
        begun(other).commit()
    assert stored() == []
    scoped.commit()
    scoped.remove()
    engine.dispose()
    assert stored() == [job_id]


def test_an_error_comes_out_of_commit_after_the_others_went(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    store = QueueManager.current().connection()
    push, failures = store.push, iter(["away", "still away"])

    def fails_twice(*args: Any, **more: Any) -> Any:
        if (why := next(failures, None)) is not None:
            raise ConnectionFailed(why, is_refusal=True)
        return push(*args, **more)

    monkeypatch.setattr(store, "push", fails_twice)
    lost = [send(session), send(session)]
    job_id = send(session)
    with pytest.raises(ConnectionFailed, match="away") as failed:
        session.commit()
    assert "still away" in failed.value.__notes__[0]
    assert stored() == [job_id]
    assert job_id not in lost
    begun(session).commit()  # the session is none the worse for it
    assert stored() == [job_id]


def test_a_job_on_a_sync_connection_runs_at_the_commit(session: Session, heard: list[Any]) -> None:
    with in_use({"url": "sync://"}):
        send(session, "ran")
        assert heard == []
        session.commit()
    assert [word for word, *_ in heard] == ["ran"]
    assert begun(session).in_transaction()
