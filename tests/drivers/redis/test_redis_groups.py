"""Servers behind Sentinels, and in a Cluster: whoever has the jobs is found, also after it was another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fakes.store import StoreUnderTest, needed
from fakes.values import completed, envelope, envelopes
from fakes.worker import FakeWorker
from redis.crc import key_slot
from servers import session
from servers.redis import Redis
from servers.redis_groups import NAME, SECRET, Cluster, Watched, agreed, client_of

from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from qcore.errors import ConfigurationError, ConnectionFailed

pytestmark = [pytest.mark.server, pytest.mark.slow]
SLOT = key_slot(b"{qctl}:")


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A master, a replica and three Sentinels."""
    yield from _started(Watched)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A Cluster of three masters, each with a replica."""
    yield from _started(Cluster)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as opened:
        yield opened


def open_at(url: str, opened: ExitStack) -> Any:
    """A driver that gives up soon."""
    return StoreUnderTest("redis", url, opened).open(timeout_s=2.0)


def lasting(verb: Callable[[], Any]) -> Any:
    """What a verb gives once the servers have agreed; until then it fails for now, and never for good."""
    given: list[Any] = []

    def answers() -> bool:
        try:
            given.append(verb())
        except ConnectionFailed as error:
            if error.is_refusal:
                raise
            return False
        return True

    agreed(answers, "the store answers")
    return given[0]


def a_life(driver: Any) -> None:
    """Push, reserve, settle, read."""
    driver.push(envelopes(3))
    worker = FakeWorker(driver)
    one, *_ = worker.reserve(3)
    assert driver.settle([completed(one, result=b"1")]) == []
    (counts,) = driver.counts()
    assert (counts.completed, counts.processing) == (1, 2)


class TestSentinel:
    def test_the_master_is_found_whichever_sentinel_is_gone(self, watched: Watched, opened: ExitStack) -> None:
        watched.sentinels[0].stop(crash=True)
        a_life(driver := open_at(watched.url, opened))
        assert driver.facts().product == "Redis"
        with client_of(watched.master) as client:
            assert client.exists("{qctl}:jobs")

    def test_a_new_master_is_found_without_a_restart(self, watched: Watched, opened: ExitStack) -> None:
        driver = open_at(watched.url, opened)
        driver.push([before := envelope()])
        watched.replicated()
        watched.master.stop(crash=True)
        lasting(lambda: driver.push([envelope()]))
        assert driver.find(before.id) is not None
        assert driver.counts()[0].pending == 2
        watched.await_master(watched.replica)

    def test_a_master_that_became_a_replica_is_left(self, watched: Watched, opened: ExitStack) -> None:
        driver = open_at(watched.url, opened)
        waits = threading.Thread(target=lambda: lasting(lambda: driver.wait(["none"], 2.0)))
        waits.start()
        driver.push([envelope()])
        watched.replicated()
        with watched.sentinels[0].client() as client:
            client.sentinel_failover(NAME)
        watched.await_master(watched.replica)
        with client_of(watched.master) as old:
            agreed(lambda: old.role()[0] == "slave", "the old master follows the new one")
        lasting(lambda: driver.push([envelope()]))
        waits.join()
        with client_of(watched.replica) as client:
            assert client.hlen("{qctl}:jobs") == 2

    def test_a_name_that_no_sentinel_knows(self, watched: Watched, opened: ExitStack) -> None:
        url = watched.url.replace(f"/{NAME}/", "/other/")
        with pytest.raises(ConnectionFailed, match=r'no answer leads to a master "other"; asked: .*it knows none'):
            open_at(url, opened).ping()

    def test_a_password_of_the_sentinels(self, watched: Watched, opened: ExitStack) -> None:
        with pytest.raises(ConnectionFailed, match="the server wants a password") as caught:
            open_at(watched.url.partition("?")[0], opened).ping()
        assert not caught.value.may_have_reached
        with pytest.raises(ConnectionFailed) as caught:
            open_at(watched.url.replace(SECRET, "wrong"), opened).ping()
        assert "wrong" not in str(caught.value).replace("wrong number", "")


class TestCluster:
    def test_the_node_of_the_keys_is_found_from_any(self, cluster: Cluster, opened: ExitStack) -> None:
        other = next(node for number, node in enumerate(cluster.masters) if number != cluster.owner(SLOT))
        a_life(open_at(f"redis+cluster://127.0.0.1:1,127.0.0.1:{other.port}", opened))
        with client_of(cluster.masters[cluster.owner(SLOT)]) as client:
            assert {key_slot(name.encode()) for name in client.scan_iter()} == {SLOT}

    def test_one_node_alone_says_what_to_give(self, cluster: Cluster, opened: ExitStack) -> None:
        other = next(node for number, node in enumerate(cluster.masters) if number != cluster.owner(SLOT))
        with pytest.raises(ConnectionFailed, match="another node of the cluster has the keys") as caught:
            open_at(other.url, opened).push([envelope()])
        assert caught.value.is_refusal
        assert "redis+cluster://" in caught.value.hint

    def test_keys_that_move_are_followed(self, cluster: Cluster, opened: ExitStack) -> None:
        driver = open_at(cluster.url, opened)
        driver.push(envelopes(5))
        source = cluster.masters[cluster.owner(SLOT)]
        target = next(node for node in cluster.masters if node is not source)
        with client_of(source) as here, client_of(target) as there:
            ids = [one.execute_command("CLUSTER", "MYID") for one in (here, there)]
            there.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", ids[0])
            here.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", ids[1])
            with pytest.raises(ConnectionFailed, match="moving the keys") as caught:
                driver.push([envelope()])
            assert not caught.value.is_refusal
            here.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *here.keys("*"))
            for one in (there, here):
                one.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", ids[1])
        lasting(lambda: driver.push([envelope()]))
        assert driver.counts()[0].pending == 6

    def test_a_replica_in_its_masters_place_is_found(self, cluster: Cluster, opened: ExitStack) -> None:
        driver = open_at(cluster.url, opened)
        driver.push([before := envelope()])
        number = cluster.owner(SLOT)
        with client_of(cluster.masters[number]) as client:
            assert client.wait(1, 10_000) >= 0
        cluster.masters[number].stop(crash=True)
        lasting(lambda: driver.push([envelope()]))
        with client_of(cluster.replicas[number]) as client:
            assert client.hexists("{qctl}:jobs", before.id)


@pytest.mark.parametrize(
    ("url", "why", "hint"),
    [
        ("redis+sentinel://a,b", "names no master", "redis+sentinel://host:26379"),
        ("redis+sentinel://a,b/main/x", '"x" is no number', "redis+sentinel://host:26379"),
        ("redis+sentinel://a,,b/main", "a host is missing", "redis+sentinel://host:26379"),
        ("redis+sentinel://a/main?colour=red", "colour", "redis+sentinel://host:26379"),
        ("redis+cluster://a:x", "invalid literal|could not be cast", "redis+cluster://host:6379"),
        ("redis+cluster://a/1", "no databases but 0", "redis+cluster://host:6379"),
        ("redis+other://a/1", "no address of a Redis server", "redis://host:port/db"),
    ],
)
def test_an_address_that_is_none(url: str, why: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        open_store(ConnectionSettings(name="tests", driver="redis", url=url))
    assert hint in caught.value.hint


def _started(kind: type[Any]) -> Iterator[Any]:
    with session.scratch() as folder, needed():
        session.require(Redis.name)
        group = kind(folder)
        try:
            group.start()
            yield group
        finally:
            group.stop()
