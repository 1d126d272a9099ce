"""What waits for the disk: on PostgreSQL a verb says so for its own transaction alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.values import completed, envelope, failed, released
from fakes.worker import FakeWorker
from sqlalchemy import Engine

from qcore.drivers.database.prepared import execute

MakeStore = Callable[..., Any]


@pytest.fixture(autouse=True)
def only_postgresql(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("a commit cannot be told what to wait for")


def listen(store: Any, *moves: str) -> list[str]:
    """Note at each of these moves whether the commit is going to wait."""
    heard: list[str] = []

    def noting(move: Callable[..., Any]) -> Callable[..., Any]:
        def noted(connection: Any, *args: Any, **values: Any) -> Any:
            heard.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())
            return move(connection, *args, **values)

        return noted

    for name in moves:
        setattr(store._link.moves, name, noting(getattr(store._link.moves, name)))
    return heard


def listen_alone(store: Any) -> list[str]:
    """Note at each step that is its own transaction whether its commit is going to wait, as it says itself."""
    heard: list[str] = []

    def noting(move: Callable[..., Any]) -> Callable[..., Any]:
        def noted(connection: Any, *args: Any) -> Any:
            execute(connection, "BEGIN")
            answer = move(connection, *args)
            heard.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())
            execute(connection, "COMMIT")
            return answer

        return noted

    for name in ("reserve_alone", "end_at_once"):
        setattr(store._link.moves, name, noting(getattr(store._link.moves, name)))
    return heard


def leased(store: Any) -> Any:
    store.push([envelope()])
    return FakeWorker(store).reserve_one()


def test_a_dispatch_waits(make_store: MakeStore) -> None:
    store = make_store()
    heard = listen(store, "push", "push_at_once")
    for _ in range(2):
        store.push([envelope()])
    assert set(heard) == {"on"}


def test_reserves_heartbeats_and_plain_ends_do_not(make_store: MakeStore) -> None:
    store = make_store()
    lease = leased(store)
    heard, alone = listen(store, "extend"), listen_alone(store)
    worker = FakeWorker(store)
    store.heartbeat(lease.token.rpartition("/")[0], [lease])
    assert store.settle_and_reserve([completed(lease)], ["default"], 1, worker.name, 1) == ([], [])
    assert (heard, alone) == (["off"], ["off"] * 2)
    assert leased(store)
    assert alone == ["off"] * 3


def test_ends_of_several_kinds_do_not(make_store: MakeStore) -> None:
    store = make_store()
    store.push([envelope(), envelope()])
    one, other = FakeWorker(store).reserve(2)
    heard = listen(store, "take", "finish", "release")
    store.settle_and_reserve([completed(one), released(other, delay_s=60)], ["default"], 1, FakeWorker(store).name, 1)
    assert heard == ["off"] * 3


@pytest.mark.parametrize(
    "end",
    [
        lambda lease: completed(lease, result=b"1"),
        lambda lease: completed(lease, pushes=(envelope(),)),
        failed,
    ],
)
def test_an_end_that_somebody_may_have_seen_waits(make_store: MakeStore, end: Callable[[Any], Any]) -> None:
    store = make_store()
    lease = leased(store)
    heard = listen(store, "finish", "fail")
    store.settle([end(lease)])
    assert heard == ["on"]


def test_with_full_durability_all_waits(make_store: MakeStore) -> None:
    store = make_store(durability="full")
    alone = listen_alone(store)
    store.settle_and_reserve([completed(leased(store))], ["default"], 1, FakeWorker(store).name, 1)
    assert alone == ["on"] * 3


def test_nothing_stays_in_the_session(make_store: MakeStore) -> None:
    store = make_store()
    leased(store)
    assert (
        store._link.run(lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar(), begin=())
        == "on"
    )
