from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.records import Failure, Page, QueueCounts, QueueDefinition, StoredJob, pack_history, unpack_history
from qcore.states import JobState

texts = st.text(max_size=10)
failures = st.builds(Failure, st.integers(1, 99), texts, texts, texts, st.integers(0, 2**60), texts)


def failure(attempt: int) -> Failure:
    return Failure(attempt, "builtins.ValueError", f"number {attempt}", "Traceback …", 1_000 * attempt, "host:1")


@given(st.lists(failures, max_size=8))
def test_a_history_comes_back_as_it_was_packed(history: list[Failure]) -> None:
    assert unpack_history(pack_history(history)) == history


def test_the_newest_fifty_errors_are_kept() -> None:
    kept = unpack_history(pack_history([failure(attempt) for attempt in range(1, 81)]))
    assert [one.attempt for one in kept] == list(range(31, 81))


@pytest.mark.parametrize("data", [None, b""])
def test_no_history_is_an_empty_one(data: bytes | None) -> None:
    assert unpack_history(data) == []


def test_a_history_without_the_worker_can_be_read() -> None:
    older = msgspec.msgpack.encode([[1, "ValueError", "x", "", 5]])
    assert unpack_history(older) == [Failure(1, "ValueError", "x", "", 5)]


def test_the_summary_of_an_error_is_one_line() -> None:
    assert failure(2).summary == "builtins.ValueError: number 2"
    assert Failure(1, "KeyError", "", "", 0).summary == "KeyError"


def test_records_are_values() -> None:
    job = StoredJob(id="a", job="app:Job", queue="default", state=JobState.PENDING)
    assert job == StoredJob(id="a", job="app:Job", queue="default", state=JobState("pending"))
    assert Page((job,)).next_cursor is None
    assert QueueCounts(name="default") == QueueCounts(name="default", pending=0)
    with pytest.raises(AttributeError):
        job.queue = "other"  # type: ignore[misc]  # that it cannot be set is what is tested


def test_a_definition_is_stored_without_what_it_leaves_open() -> None:
    definition = QueueDefinition(name="emails", max_jobs=5)
    assert msgspec.to_builtins(definition) == {"name": "emails", "max_jobs": 5}
    assert msgspec.convert({"name": "emails", "max_jobs": 5}, QueueDefinition) == definition
