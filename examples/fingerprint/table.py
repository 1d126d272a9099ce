"""Where the results go: a table of the example's own, beside the queue and not in it."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path

from fingerprint.measure import Fingerprint

_CREATE = """
create table if not exists fingerprints (
    path text primary key, sha256 text not null,
    size integer not null, lines integer not null, words integer not null
)
"""


@cache
def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute(_CREATE)
    return connection


def save(file: Path, fingerprint: Fingerprint) -> None:
    """Keep one result; a second one of the same path replaces it, so a job that runs twice does no harm."""
    _connect(file).execute("insert or replace into fingerprints values (?, ?, ?, ?, ?)", fingerprint)


def load(file: Path) -> list[Fingerprint]:
    """Read all results."""
    return [Fingerprint(*row) for row in _connect(file).execute("select * from fingerprints")]
