"""Stores in databases of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from fakes.store import URLS, fresh_url
from servers import stores
from sqlalchemy import Engine, MetaData, create_engine

from qcore.drivers import open_store

DATABASES = [kind for kind in URLS if "redis" not in str(kind)]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, its tables made already."""
    return fresh_url(request.param, tmp_path)


@pytest.fixture
def make_store(url: str) -> Iterator[Callable[..., Any]]:
    """Open a store in the database; all are closed at the test's end."""
    with ExitStack() as opened:
        yield lambda **fields: opened.enter_context(closing(open_store(stores.settings_for(url, **fields))))


@pytest.fixture
def store(make_store: Callable[..., Any]) -> Any:
    """A store in the database."""
    return make_store()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The test's own way to the database."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def bare(engine: Engine) -> Iterator[str]:
    """A prefix of which there is no table yet; what is made with it goes with the test."""
    _drop(engine, "bare")
    yield "bare"
    _drop(engine, "bare")


def _drop(engine: Engine, prefix: str) -> None:
    found = MetaData()
    found.reflect(engine, only=lambda name, _: name.startswith(prefix))
    found.drop_all(engine)
