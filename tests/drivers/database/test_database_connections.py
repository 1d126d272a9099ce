"""Connections rest between two pieces of work, and there are enough for everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes.values import completed, envelope
from fakes.worker import FakeWorker
from sqlalchemy import Engine

from qcore.drivers.database.connections import Connections

THREADS = 40
"""More than there may be connections."""


def test_more_threads_than_connections(store: Any) -> None:
    store.push([envelope()])
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: store.push([envelope()]), range(3 * THREADS)))
    (counts,) = store.counts()
    assert counts.pending == 3 * THREADS + 1


def test_one_that_is_at_work_while_all_are_closed_is_closed_as_it_comes_back(engine: Engine) -> None:
    connections = Connections(engine)
    at_work, resting = connections.take(), connections.take()
    wires = [one.connection.dbapi_connection for one in (at_work, resting)]
    connections.give_back(resting)
    connections.close()
    connections.give_back(at_work)
    for wire in wires:
        with pytest.raises(engine.dialect.dbapi.Error):  # type: ignore[union-attr]  # there is one
            wire.cursor().execute("SELECT 1")  # type: ignore[union-attr]  # there was one
    connections.give_back(connections.take())
    connections.close()


@pytest.mark.parametrize("is_plain", [True, False], ids=["to rest", "to the pool"])
def test_one_that_comes_back_just_as_all_are_closed_is_closed(engine: Engine, is_plain: bool) -> None:
    class Slow(Connections):
        """Somebody closes all between the last look and the deed."""

        def _are_scarce(self) -> bool:
            self.close()
            return not is_plain

    connections = Slow(engine)
    at_work = connections.take()
    wire = at_work.connection.dbapi_connection
    connections.give_back(at_work)
    with pytest.raises(engine.dialect.dbapi.Error):  # type: ignore[union-attr]  # there is one
        wire.cursor().execute("SELECT 1")  # type: ignore[union-attr]  # there was one


def test_a_connection_that_has_begun_nothing_is_begun(store: Any, engine: Engine) -> None:
    job = envelope()
    with engine.connect() as connection:
        store.push([job], within=connection)
        connection.commit()
    assert store.find(job.id) is not None


def test_a_connection_that_is_rolled_back_has_stored_nothing(store: Any, engine: Engine) -> None:
    job = envelope()
    with engine.connect() as connection:
        store.push([job], within=connection)
        connection.rollback()
    assert store.find(job.id) is None


def test_a_lost_lease_among_others_changes_nothing(store: Any) -> None:
    store.push([envelope(), envelope()])
    first, second = FakeWorker(store, name="first"), FakeWorker(store, name="second")
    lost, _ = first.reserve(2)
    assert store.forfeit("first", {}) == 2
    held = {lease.id: lease for lease in second.reserve(2)}
    late = completed(lost)
    held.pop(lost.id)
    ends = [late, *(completed(lease) for lease in held.values())]
    assert list(store.settle(ends)) == [late]
    (counts,) = store.counts()
    assert (counts.completed, counts.processing) == (1, 1)
