"""Reader.facts: what a store tells of itself, without changing anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.store import StoreUnderTest

from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from qcore.drivers.database.dialects.sqlite import library_of
from qcore.drivers.redis.facts import facts_in

PRODUCTS = {
    "memory": {"memory"},
    "sqlite": {"SQLite"},
    "postgresql": {"PostgreSQL"},
    "mariadb": {"MariaDB", "MySQL"},
    "redis": {"Redis", "Valkey"},
}
DURABILITY = {
    "memory": [],
    "sqlite": ["durability"],
    "postgresql": ["fsync", "full_page_writes"],
    "mariadb": ["innodb_flush_log_at_trx_commit"],
    "redis": ["appendonly"],
}


def test_what_it_is(driver: Any, store: StoreUnderTest) -> None:
    facts = driver.facts()
    assert facts.product in PRODUCTS[store.name]
    assert bool(facts.version) is (store.name != "memory")
    assert [trait.name for trait in facts.durability] == DURABILITY[store.name]
    assert (facts.memory_bytes is not None) is (store.name == "redis")
    assert (facts.file_bytes is not None) is (store.name == "sqlite")
    assert (facts.free_bytes or 1) > 0
    assert (facts.writing is None) is (store.name == "memory")
    assert facts.writing is None or not facts.writing.risk


def test_what_time_it_is_there(driver: Any) -> None:
    before = time.time()
    facts = driver.facts()
    assert before - 1 < facts.now_us / 1e6 < time.time() + 1
    assert abs(facts.skew_s) < 1
    assert 0 <= facts.latency_s < 5


def test_whether_its_tables_are_of_this_version(driver: Any, store: StoreUnderTest) -> None:
    driver.counts()
    facts = driver.facts()
    assert facts.revision == facts.wanted_revision
    assert (facts.wanted_revision is None) is (store.name in {"memory", "redis"})
    assert facts.is_known_revision


def test_asking_makes_no_tables(make_settings: Callable[..., ConnectionSettings], tmp_path: Path) -> None:
    store = open_store(make_settings(url=f"sqlite:///{tmp_path}/new.db"))
    for _ in range(2):
        assert store.facts().revision is None
    store.counts()
    assert store.facts().revision is not None
    store.close()


@pytest.mark.parametrize("name", ["sync", "null"])
def test_the_two_without_a_store(name: str, make_settings: Callable[..., ConnectionSettings]) -> None:
    facts = open_store(make_settings(driver=name)).facts()
    assert abs(facts.now_us / 1e6 - time.time()) < 5
    assert (facts.revision, facts.durability, facts.eviction) == (None, (), None)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 52, 0), (3, 50, 7), (3, 44, 6), (3, 44, 7)])
def test_versions_of_sqlite_without_the_race(version: tuple[int, ...]) -> None:
    assert library_of(version).risk == ""


@pytest.mark.parametrize("version", [(3, 51, 2), (3, 50, 6), (3, 49, 9), (3, 45, 0), (3, 44, 5), (3, 35, 0)])
def test_versions_of_sqlite_with_the_race(version: tuple[int, ...]) -> None:
    trait = library_of(version)
    assert "WAL-reset race" in trait.risk
    assert not trait.is_grave


def test_what_a_redis_says_of_itself() -> None:
    said = b"# Server\r\nredis_version:7.4.1\r\nused_memory:100\r\nmaxmemory:200\r\nmaxmemory_policy:allkeys-lru\r\n"
    found = facts_in(said + b"aof_enabled:0\r\nrdb_last_bgsave_status:err\r\n")
    assert (found["product"], found["version"]) == ("Redis", "7.4.1")
    assert (found["memory_bytes"], found["memory_limit_bytes"]) == (100, 200)
    assert found["eviction"].is_grave
    assert [(trait.name, trait.is_grave) for trait in found["durability"]] == [
        ("appendonly", False),
        ("rdb_last_bgsave_status", True),
    ]


def test_a_redis_that_is_set_up_well() -> None:
    found = facts_in(b"maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:ok\r\n")
    assert found["eviction"].risk == ""
    assert [trait.risk for trait in found["durability"]] == [""]


def test_a_redis_that_only_follows() -> None:
    follows = facts_in(b"role:slave\r\nslave_read_only:1\r\n")["writing"]
    assert (follows.value, follows.is_grave) == ("replica", True)
    assert not facts_in(b"role:slave\r\nslave_read_only:0\r\n")["writing"].risk
    assert not facts_in(b"role:master\r\n")["writing"].risk


def test_a_redis_that_may_not_be_asked() -> None:
    found = facts_in(b"")
    assert (found["memory_bytes"], found["eviction"], found["durability"]) == (None, None, ())
