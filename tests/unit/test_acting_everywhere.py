"""Failed jobs are met wherever they are: on the default connection, or on one that a definition names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.values import envelope, failed
from fakes.worker import FakeWorker

from qcore import JobNotFound, define_queue
from qcore.config import load_settings
from qcore.manager import QueueManager
from qcore.manager.definitions import defined
from qcore.monitor import Monitor
from qcore.monitor.actions import Actions

CONFIG = {"default": {"driver": "memory"}, "other": {"driver": "memory"}, "unused": {"driver": "memory"}}


@pytest.fixture
def manager() -> Iterator[QueueManager]:
    before = defined.all()
    defined.clear()
    define_queue("emails", connection="other")
    manager = QueueManager(load_settings({}, app_config={"QUEUE_CONFIG": CONFIG}))
    yield manager
    manager.close()
    defined.clear()
    for definition in before:
        defined.add(definition)


def fail(manager: QueueManager, connection: str, queue: str) -> str:
    store = manager.connection(connection)
    job = envelope(queue)
    store.push([job])
    store.settle([failed(FakeWorker(store, queue).reserve_one())])
    return str(job.id)


@pytest.fixture
def ids(manager: QueueManager) -> list[str]:
    """Oldest first, the one on the other connection between those of the default."""
    places = [("default", "default"), ("other", "emails"), ("default", "default")]
    return [fail(manager, connection, queue) for connection, queue in places]


def held(manager: QueueManager) -> dict[str, int]:
    return {name: len(manager.connection(name).page("failed").jobs) for name in ("default", "other")}


def test_ids_are_looked_for_on_every_connection_in_use(manager: QueueManager, ids: list[str]) -> None:
    result = Actions(manager).retry([*ids, "nobody"])
    assert (result.matched, result.changed) == (4, 3)
    assert [job_id for job_id, _ in result.failed] == ["nobody"]
    assert held(manager) == {"default": 0, "other": 0}


def test_only_the_connection_that_was_named(manager: QueueManager, ids: list[str]) -> None:
    assert [job_id for job_id, _ in Actions(manager, "other").forget(ids).failed] == [ids[0], ids[2]]
    fail(manager, "other", "emails")
    assert Actions(manager, "other").flush().changed == 1
    assert held(manager) == {"default": 2, "other": 0}


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("verb", ["retry_all", "forget_all", "flush"])
def test_bulk_verbs_reach_all(manager: QueueManager, verb: str) -> None:
    assert getattr(Actions(manager), verb)().changed == 3
    assert held(manager) == {"default": 0, "other": 0}


@pytest.mark.usefixtures("ids")
def test_a_queue_is_met_where_it_lives(manager: QueueManager) -> None:
    assert Actions(manager).forget_all("emails").changed == 1
    assert held(manager) == {"default": 2, "other": 0}


def test_the_newest_of_all_connections_together(manager: QueueManager, ids: list[str]) -> None:
    assert Actions(manager).forget_all(limit=2).matched == 2
    assert [job.id for job in manager.connection("default").page("failed").jobs] == [ids[0]]
    assert held(manager) == {"default": 1, "other": 0}


def test_the_manager_reaches_as_far(manager: QueueManager, ids: list[str]) -> None:
    assert manager.retry([ids[1]]) == 1
    with pytest.raises(JobNotFound):
        manager.retry([ids[1]])
    assert manager.retry("all") == 2
    assert manager.forget(fail(manager, "other", "elsewhere"))
    fail(manager, "other", "elsewhere")
    assert manager.flush() == 1


@pytest.mark.usefixtures("ids")
def test_a_list_says_what_other_connections_hold(manager: QueueManager) -> None:
    monitor = Monitor(manager)
    assert monitor.elsewhere(["failed"]) == ("connection 'other' holds such jobs too: --connection other",)
    assert monitor.elsewhere(["completed"]) == ()
    assert monitor.jobs("failed").jobs[0].error
