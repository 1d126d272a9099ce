"""The journal of a SQLite file does not grow for ever, and no commit waits for the disk because of it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.values import envelope

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

_PUSHES = 6000
_LONGEST = 10_000 * 4120
"""Bytes; each push above writes four pages or so."""


@pytest.fixture
def path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def always_read(path: Path) -> Iterator[None]:
    """Two readers, of whom one always has a transaction open: each ends its own after the other's has begun."""
    over = threading.Event()
    begun = [threading.Event(), threading.Event()]

    def read(mine: threading.Event, others: threading.Event) -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            while not over.is_set():
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                mine.set()
                others.wait(1)
                others.clear()
                connection.execute("COMMIT")

    threads = [threading.Thread(target=read, args=(begun[one], begun[1 - one])) for one in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_it_begins_anew_although_somebody_always_reads(store: Any, path: Path) -> None:
    store.push([envelope()])
    with always_read(path):
        for _ in range(_PUSHES):
            store.push([envelope()])
    assert path.with_name(f"{path.name}-wal").stat().st_size < _LONGEST


def test_one_who_reads_for_long_holds_nobody_up(store: Any, path: Path) -> None:
    """It cannot begin anew then; it does once he has gone."""
    store.push([envelope()])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        for _ in range(_PUSHES // 2):
            store.push([envelope()])
        reader.execute("COMMIT")
    for _ in range(_PUSHES):
        store.push([envelope()])
    with closing(sqlite3.connect(path, isolation_level=None)) as looker:
        _, pages, _ = looker.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert pages * 4120 < _LONGEST
