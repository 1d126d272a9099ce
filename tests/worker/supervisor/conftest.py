"""Stores for real processes, and a way to start a supervisor on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from fakes.store import fresh_url
from gates import Start
from trees import Store, Tree

from qcore import QueueManager
from qcore.config import load_settings


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path)


def opened(url: str) -> Iterator[Store]:
    from qcore import dispatcher

    manager = QueueManager(load_settings({"url": url}, environ={}))
    before = manager.install()
    yield Store(manager)
    manager.close()
    dispatcher.install(before)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    yield from opened(url)


@pytest.fixture
def any_store(store_url: str) -> Iterator[Store]:
    yield from opened(store_url)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `qctl work` with these words, and wait until it serves."""
    with ExitStack() as trees:

        def start_one(store: Store, *words: str, serves: int = 1, **env: str) -> Tree:
            url = store.manager.settings.connection().url
            tree = trees.enter_context(closing(Tree(tmp_path, url, "work", *words, **env)))
            for _ in range(serves):
                tree.await_event("started")
            return tree

        yield start_one
