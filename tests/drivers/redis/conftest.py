"""A Redis driver, and a plain client to look behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis
from fakes.store import StoreUnderTest, fresh_url, own_server
from servers.base import Server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreUnderTest]:
    """An empty Redis store, to open one or several drivers on."""
    url = fresh_url("redis", tmp_path)
    with ExitStack() as opened:
        yield StoreUnderTest("redis", url, opened)


@pytest.fixture
def driver(store: StoreUnderTest) -> Any:
    """A driver on it."""
    return store.open()


@pytest.fixture
def client(store: StoreUnderTest) -> Iterator[Any]:
    """A plain client of the same store."""
    with closing(redis.Redis.from_url(store.url, decode_responses=True)) as client:
        yield client


@pytest.fixture
def own() -> Iterator[Server]:
    """A server of the test's own, which runs."""
    with own_server("redis") as server:
        yield server


@pytest.fixture
def own_driver(own: Server) -> Iterator[Any]:
    """A driver on that server, which gives up soon."""
    with ExitStack() as opened:
        yield StoreUnderTest("redis", own.url, opened).open(timeout_s=1.0)


@pytest.fixture
def own_client(own: Server) -> Iterator[Any]:
    """A plain client of that server."""
    with closing(redis.Redis.from_url(own.url, decode_responses=True)) as client:
        yield client
