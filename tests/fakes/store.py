"""Empty stores of every kind, in a test's hands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers import session, stores
from servers.base import Server

from qcore.config import ConnectionSettings
from qcore.drivers import open_store

URLS = ["sqlite", *(pytest.param(name, marks=pytest.mark.server) for name in stores.SERVERS)]
"""Stores that several processes may share, as parameters of a test."""


def fresh_url(name: str, folder: Path) -> str:
    """The URL of an empty store, or the test ends here: skipped, or failed in CI."""
    with needed():
        return stores.fresh(name, folder)


@contextmanager
def own_server(name: str) -> Iterator[Server]:
    """A server for one test, which runs, to stop and start at will."""
    with session.scratch() as folder, needed():
        server = session.own(name, folder / name)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def needed() -> Iterator[None]:
    """What is not installed ends the test: skipped, or failed in CI."""
    try:
        yield
    except session.Missing as missing:
        if in_ci():
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def in_ci() -> bool:
    """Whether this run must not leave anything out."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


class StoreUnderTest:
    """Opens drivers on one store; all are closed at the test's end."""

    def __init__(self, name: str, url: str, opened: ExitStack) -> None:
        self.name = name
        self.url = url
        self._opened = opened

    def settings(self, **fields: Any) -> ConnectionSettings:
        """Settings of a connection to the store; any field may be given."""
        return stores.settings_for(self.url, **fields)

    def open(self, **fields: Any) -> Any:
        """Open a driver on the store, with these settings."""
        return self._opened.enter_context(closing(open_store(self.settings(**fields))))

    def share(self, driver: Any, **fields: Any) -> Any:
        """Open a second driver on the same store, as another process would; skips what cannot be shared."""
        if not driver.capabilities.shared:
            pytest.skip("the store lives in one process")
        return self.open(**fields)
