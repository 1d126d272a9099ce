"""Connections rest between two pieces of work, and there are enough for everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fakes.values import completed, envelope
from fakes.worker import FakeWorker
from sqlalchemy import Engine

THREADS = 40
"""More than there may be connections."""


def test_more_threads_than_connections(store: Any) -> None:
    store.push([envelope()])
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: store.push([envelope()]), range(3 * THREADS)))
    (counts,) = store.counts()
    assert counts.pending == 3 * THREADS + 1


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
