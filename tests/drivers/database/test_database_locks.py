"""Locks in a database: with their jobs or not at all, and gone when their time is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.leases import let_pass
from fakes.values import envelope, us
from sqlalchemy import text

from qcore.envelope import Unique
from qcore.errors import PayloadError

MakeStore = Callable[..., Any]


def unique(**fields: Any) -> Any:
    return envelope(unique=Unique(key="k", **fields.pop("how", {})), **fields)


def test_a_job_that_cannot_be_stored_leaves_no_lock(store: Any) -> None:
    with pytest.raises(PayloadError):
        store.push([unique(priority=2**70)])
    assert store.locks().locks == ()
    job = unique()
    assert list(store.push([job])) == [job.id]


def test_one_that_cannot_be_stored_does_not_end_the_one_it_would_replace(store: Any) -> None:
    store.push([job := unique(delay_s=60)])
    with pytest.raises(PayloadError):
        store.push([unique(how={"replaces": True}, priority=2**70)])
    assert [lock.owner for lock in store.locks().locks] == [job.id]
    assert store.counts()[0].delayed == 1


def test_locks_of_nobody_go_with_the_time(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.take_lock("short", "job", us(0.02))
    store.take_lock("long", "job", us(3600))
    let_pass(store, 0.05)
    monkeypatch.setattr(store._upkeep, "_swept_at", float("-inf"))
    store.reclaim()
    names = store._link.run(
        lambda connection: [row[0] for row in connection.execute(text("SELECT name FROM jobs_locks"))]
    )
    assert names == ["long"]
