"""A store of its own for each test: a database per worker process, emptied between tests, which is cheap.

What a driver made there (its tables) stays for the next test; only the rows go.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from servers import session

SERVERS = ("postgresql", "mariadb", "redis")
"""Stores that need a server."""


def fresh(name: str, folder: Path) -> str:
    """The URL of an empty store; `folder` is the test's own."""
    if name == "sqlite":
        session.note("used", "sqlite", sqlite3.sqlite_version)
        return _copy_sqlite(folder)
    address = session.need(name)
    return _EMPTIED[name](address.url)


def settings_for(url: str = "", **fields: Any) -> ConnectionSettings:
    """Settings of a connection to the store at `url`; without one, a store in memory."""
    driver = "memory" if not url else "redis" if url.startswith("redis") else "database"
    return ConnectionSettings(**{"name": "tests", "driver": driver, "url": url, **fields})


def worker_number() -> int:
    """Which of the run's worker processes this is, from 0."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@cache
def _made_sqlite() -> Path:
    """A file whose tables are made; copying it is cheaper than making them anew."""
    path = Path(tempfile.mkdtemp(dir=os.environ["QCTL_TEST_RUN"])) / "queue.db"
    with closing(open_store(settings_for(f"sqlite:///{path}"))) as driver:
        driver.counts()
    return path


def _copy_sqlite(folder: Path) -> str:
    path = folder / f"queue{len(list(folder.glob('queue*.db'))) or ''}.db"
    with closing(sqlite3.connect(_made_sqlite())) as made, closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        made.backup(copy)  # unlike the file alone, whole whatever its journal holds
    return f"sqlite:///{path}"


def _empty_postgresql(url: str) -> str:
    database = _postgresql(url)
    with database.transaction():
        found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        _empty_tables([table for (table,) in found], '"', database.execute)
    return _of_worker(url)


def _empty_mariadb(url: str) -> str:
    database = _mariadb(url)
    with database.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        _empty_tables([table for (table,) in cursor.fetchall()], "`", cursor.execute)
    database.commit()
    return _of_worker(url)


def _empty_redis(url: str) -> str:
    own = url.rpartition("/")[0] + f"/{worker_number()}"
    _redis(own).flushdb()
    return own


def _empty_tables(tables: list[str], quote: str, execute: Callable[[str], Any]) -> None:
    for table in tables:
        if "version" not in table:  # which migrations were applied stays true
            execute(f"DELETE FROM {quote}{table}{quote}")


def _of_worker(url: str) -> str:
    return url.rpartition("/")[0] + f"/worker{worker_number()}"


@cache
def _postgresql(url: str) -> Any:
    """A connection to this worker's database, which is made."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE DATABASE worker{worker_number()}")
    database = psycopg.connect(_of_worker(url).replace("+psycopg", ""), autocommit=True)
    atexit.register(database.close)
    database.execute("SET lock_timeout = '5s'")  # a test that left its transaction open is told, not waited for
    return database


@cache
def _mariadb(url: str) -> Any:
    """A connection to this worker's database, which is made."""
    import pymysql

    host, port = url.rpartition("@")[2].partition("/")[0].split(":")
    database = pymysql.connect(host=host, port=int(port), user="qctl")
    atexit.register(database.close)
    with database.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE worker{worker_number()}")
        cursor.execute(f"USE worker{worker_number()}")
        cursor.execute("SET innodb_lock_wait_timeout = 5")
    return database


@cache
def _redis(url: str) -> Any:
    import redis

    client = redis.Redis.from_url(url)
    atexit.register(client.close)
    return client


_EMPTIED: dict[str, Callable[[str], str]] = {
    "postgresql": _empty_postgresql,
    "mariadb": _empty_mariadb,
    "redis": _empty_redis,
}
