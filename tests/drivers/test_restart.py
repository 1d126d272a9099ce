"""A store that goes away and comes back: verbs say so meanwhile, and work again after; nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from fakes.store import own_server
from fakes.values import completed, envelope, envelopes, failed, released
from fakes.worker import FakeWorker
from servers.base import Server
from servers.stores import SERVERS, settings_for

from qcore.drivers import open_store
from qcore.errors import ConnectionFailed
from qcore.states import JobState

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of the test's own, which runs."""
    with own_server(request.param) as server:
        yield server


@pytest.fixture
def driver(server: Server) -> Iterator[Any]:
    with closing(open_store(settings_for(server.url, timeout_s=2.0))) as driver:
        yield driver


def refuses(driver: Any) -> bool:
    """Whether every verb says that the store does not answer, and none says anything else."""
    job = envelope()
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("push", ([job],)),
        ("reserve", (["default"], 1, "worker", 1)),
        ("reclaim", ()),
        ("pause", ("default",)),
        ("clear", ("default",)),
        ("retry", ([job.id],)),
        ("cancel", ([job.id],)),
        ("counts", ()),
        ("find", (job.id,)),
        ("page", ("failed",)),
        ("ping", ()),
    ]
    for verb, arguments in calls:
        with pytest.raises(ConnectionFailed):
            getattr(driver, verb)(*arguments)
    return True


@pytest.mark.parametrize("crash", [False, True], ids=["in good order", "killed"])
def test_nothing_is_lost(server: Server, driver: Any, crash: bool) -> None:
    driver.push([envelope("other"), *envelopes(5)])
    worker = FakeWorker(driver)
    first, second, third, kept = worker.reserve(4)
    driver.settle([completed(first), failed(second), released(third)])
    settled = [driver.find(lease.id) for lease in (first, second, third, kept)]
    counts = list(driver.counts())
    if crash:
        driver.wait(["a queue without jobs"], 1.2)  # the append-only file is synced once a second
    server.stop(crash=crash)
    assert refuses(driver)
    server.start()
    assert list(driver.counts()) == counts
    assert [driver.find(lease.id) for lease in (first, second, third, kept)] == settled
    assert list(worker.repeat(4)) != []
    assert not driver.settle([completed(kept), completed(first)])
    assert driver.find(kept.id).state is JobState.COMPLETED
    assert len(worker.reserve(10)) == 2


def test_a_wait_outlives_it(server: Server, driver: Any) -> None:
    """A wait under way may say that the store is gone; the next ones wait again."""
    driver.push([])
    ended = threading.Event()

    def wait() -> None:
        try:
            driver.wait(["default"], 20)
        except ConnectionFailed:
            pass
        finally:
            ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    server.stop()
    server.start()
    with closing(open_store(settings_for(server.url))) as other:
        other.push([envelope()])
        assert ended.wait(10)
        waiting.join()
        worker = FakeWorker(driver)
        driver.settle([completed(worker.await_one())])
        pushing = threading.Timer(0.1, lambda: other.push([envelope()]))
        pushing.start()
        worker.await_one(within_s=5)
        pushing.join()


def test_a_store_that_was_never_there(server: Server) -> None:
    server.stop()
    with closing(open_store(settings_for(server.url, timeout_s=1.0))) as driver:
        assert refuses(driver)
        server.start()
        driver.push([envelope()])
        assert len(FakeWorker(driver).reserve()) == 1
