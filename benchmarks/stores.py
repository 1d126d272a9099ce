"""The stores that are measured: how each is started, emptied, and what its settings are in truth."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import servers


def kind_of(store: str) -> str:
    """Redis is Redis, with its file or without."""
    return store.partition("-")[0]


class Site(ABC):
    """A store that runs; databases on it are made and dropped at will."""

    name = ""
    title = ""
    signs_always = False
    """Whether payloads are signed also where nobody set a key."""

    def __init__(self, url: str, version: str) -> None:
        self.url = url
        self.version = version
        self._numbers = itertools.count(1)

    @abstractmethod
    def fresh(self) -> str:
        """The URL of an empty database."""

    @abstractmethod
    def drop(self, url: str) -> None:
        """Remove what `fresh` made."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """What decides how durable it is, as it says itself."""

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """An empty database for a block."""
        url = self.fresh()
        try:
            yield url
        finally:
            self.drop(url)

    def _named(self) -> tuple[str, str]:
        name = f"bench{next(self._numbers)}"
        return name, f"{self.url.rpartition('/')[0]}/{name}"


class RedisSite(Site):
    name, title = "redis", "Redis, AOF everysec"

    def fresh(self) -> str:
        url = f"{self.url.rpartition('/')[0]}/{next(self._numbers) % 64}"
        self.drop(url)
        return url

    def drop(self, url: str) -> None:
        with _redis(url) as client:
            client.flushdb()

    def settings(self) -> dict[str, str]:
        with _redis(self.url) as client:
            return {name: client.config_get(name)[name] for name in ("appendonly", "appendfsync", "save")}


class VolatileRedisSite(RedisSite):
    name, title = "redis-noaof", "Redis, AOF off"


class PostgreSQLSite(Site):
    name, title = "postgresql", "PostgreSQL"

    def fresh(self) -> str:
        name, url = self._named()
        with self._admin() as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return url

    def drop(self, url: str) -> None:
        with self._admin() as admin:
            admin.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def settings(self) -> dict[str, str]:
        names = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")
        with self._admin() as admin:
            return {name: admin.execute(f"SHOW {name}").fetchone()[0] for name in names}

    def _admin(self) -> Any:
        import psycopg

        return psycopg.connect(plain(self.url), autocommit=True)


class MariaDBSite(Site):
    name, title = "mariadb", "MariaDB"

    def fresh(self) -> str:
        name, url = self._named()
        self._ask(f"CREATE DATABASE {name}")
        return url

    def drop(self, url: str) -> None:
        self._ask(f"DROP DATABASE {url.rpartition('/')[2]}")

    def settings(self) -> dict[str, str]:
        names = ("innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_buffer_pool_size")
        return {name: str(self._ask(f"SELECT @@{name}")) for name in names}

    def _ask(self, statement: str) -> Any:
        with open_mariadb(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return (cursor.fetchone() or [None])[0]


class SQLiteSite(Site):
    name, title = "sqlite", "SQLite"
    signs_always = True

    def fresh(self) -> str:
        folder = Path(self.url) / f"bench{next(self._numbers)}"
        folder.mkdir()
        return f"sqlite:///{folder}/queue.db"

    def drop(self, url: str) -> None:
        shutil.rmtree(Path(url.removeprefix("sqlite:///")).parent, ignore_errors=True)

    def settings(self) -> dict[str, str]:
        return {"journal_mode": "wal", "durability": "normal (the default)"}


SITES: dict[str, type[Site]] = {
    site.name: site for site in (RedisSite, VolatileRedisSite, PostgreSQLSite, SQLiteSite, MariaDBSite)
}
"""In the order of the table."""


@contextlib.contextmanager
def running(names: Sequence[str], cpus: set[int] | None = None) -> Iterator[list[Site]]:
    """Run the stores of these names for a block; one whose server is not installed is left out, and said so."""
    with contextlib.ExitStack() as opened:
        sites: list[Site] = []
        for name in names:
            if name == SQLiteSite.name:
                folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="qctl-bench-"))
                sites.append(SQLiteSite(folder, sqlite3.sqlite_version))
            elif servers.is_installed(name):
                sites.append(SITES[name](*opened.enter_context(servers.running(name, cpus))))
            else:
                print(f"{name} is left out: its server is not installed")
        yield sites


def plain(url: str) -> str:
    """A URL as the client libraries know it, without our choice of one of them."""
    return url.replace("+psycopg", "")


def open_mariadb(url: str) -> Any:
    """A connection that commits each statement."""
    import pymysql

    address, _, database = url.rpartition("@")[2].partition("/")
    host, port = address.split(":")
    return pymysql.connect(host=host, port=int(port), user="qctl", database=database, autocommit=True)


def _redis(url: str) -> Any:
    import redis

    return redis.Redis.from_url(url, decode_responses=True)
