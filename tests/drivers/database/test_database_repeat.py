"""A push is sent again while its job ends: whatever the order of the two, the job runs once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.values import completed, envelope, failed
from fakes.worker import FakeWorker

from qcore.envelope import Unique

MakeStore = Callable[..., Any]


@pytest.mark.parametrize("unique", [None, Unique(key="one")], ids=["plain", "unique"])
@pytest.mark.parametrize("end", [completed, failed])
def test_a_job_that_ends_while_its_push_is_repeated_does_not_come_back(
    make_store: MakeStore, url: str, monkeypatch: pytest.MonkeyPatch, end: Callable[[Any], Any], unique: Unique | None
) -> None:
    if url.startswith("sqlite"):
        pytest.skip("sqlite has one writer at a time: nothing comes in between")
    store, elsewhere = make_store(), make_store()
    job = envelope(unique=unique)
    store.push([job])
    (lease,) = FakeWorker(elsewhere).reserve(1)
    pushing = store._link.pushing
    look = pushing._ended

    def look_and_see_it_end(*arguments: Any) -> set[str]:
        found: set[str] = look(*arguments)
        monkeypatch.undo()
        assert elsewhere.settle([end(lease)]) == []
        return found

    monkeypatch.setattr(pushing, "_ended", look_and_see_it_end)
    assert list(store.push([job], repeat=True)) == [job.id]
    (counts,) = store.counts()
    assert (counts.pending, counts.completed + counts.failed) == (0, 1)
    assert store.locks().locks == ()
    assert FakeWorker(elsewhere).reserve(1) == []
