"""What a test may do to a store, whichever it is: S a SQLite file, P PostgreSQL, M MariaDB, R Redis.

Each server is the tests' own, durable as its makers mean it to be, and shared by the tests of one process; each test
gets a database of its own on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers.base import Server
from servers.mariadb import MariaDB
from servers.postgresql import PostgreSQL
from servers.redis import Redis

from qcore.drivers.redis.keys import kind_of

_PREFIX = "qctl"
_NEVER = -1
ALL = ("sqlite", "postgresql", "mariadb", "redis")
SERVERS = ("postgresql", "mariadb", "redis")


def only_on(*names: str) -> pytest.MarkDecorator:
    """Mark a test that some of the stores alone can meet."""
    params = [name if name == "sqlite" else pytest.param(name, marks=pytest.mark.server) for name in names]
    return pytest.mark.parametrize("fault_store", params, indirect=True)


class FaultStore(ABC):
    """A store that a test may break; `letter` is what the table calls it."""

    name = ""
    letter = ""
    url = ""
    """Of the test's own database."""

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Make it, in a folder that its server's user can reach."""

    @abstractmethod
    def fresh(self, folder: Path) -> None:
        """Get a test an empty database; `folder` is its own."""

    @abstractmethod
    def start(self) -> None:
        """Let it answer again after a `stop` or a `crash`; it remembers what it acknowledged."""

    @abstractmethod
    def stop(self) -> None:
        """Let it be gone in good order."""

    @abstractmethod
    def crash(self) -> None:
        """Let it be gone at once, as by kill -9."""

    @abstractmethod
    def freeze(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""

    @abstractmethod
    def thaw(self) -> None:
        """Let it go on after a `freeze`."""

    def still(self) -> AbstractContextManager[Any]:
        """Let nobody hold a lock meanwhile that would stay held if its holder is stopped in here."""
        return contextlib.nullcontext()

    @abstractmethod
    def clients(self) -> int:
        """How many connections others have to the test's database."""

    def sizes(self) -> dict[str, int]:
        """What it holds that should not stay: by name, how many."""
        return {}

    @abstractmethod
    def mend(self) -> None:
        """Let it answer, whatever a test did to it."""


class SQLiteStore(FaultStore):
    """A file. Nobody serves it: it is gone while somebody else holds its lock."""

    name, letter = "sqlite", "S"

    def __init__(self, folder: Path) -> None:
        del folder
        self._path = Path()
        self._lock: sqlite3.Connection | None = None

    def fresh(self, folder: Path) -> None:
        self._path = folder / "queue.db"
        self.url = f"sqlite:///{self._path}"

    def start(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.execute("ROLLBACK")
            lock.close()

    def stop(self) -> None:
        if self._lock is None:
            self._lock = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            self._lock.execute("BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Whoever is stopped while it writes would keep all others out, as if their common host were."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")

    crash = freeze = stop
    thaw = mend = start

    def clients(self) -> int:
        """How many other processes have it open, of those that may be looked at."""
        others = (pid for pid in psutil.pids() if pid != os.getpid())  # an error that a test keeps may hold a cursor
        return sum(str(self._path) in map(_target, _descriptors(pid)) for pid in others)

    def sizes(self) -> dict[str, int]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database:
            return _rows(lambda sql: int(database.execute(sql).fetchone()[0]))


class ServedStore(FaultStore):
    """A store behind a server of our own."""

    kind: type[Server]

    def __init__(self, folder: Path) -> None:
        self.server = self.kind(folder / self.name)
        self.server.start()
        self._number = 0

    def start(self) -> None:
        if self.server.process is None:
            self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def crash(self) -> None:
        self.server.stop(crash=True)

    def freeze(self) -> None:
        for process in reversed(self._processes()):  # the parent last: it would miss its children
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def mend(self) -> None:
        if self.server.process is not None and self.server.process.poll() is None:
            self.thaw()
        else:
            self.server.process = None
            self.start()

    def _processes(self) -> list[psutil.Process]:
        assert self.server.process is not None
        leader = psutil.Process(self.server.process.pid)
        return [leader, *leader.children(recursive=True)]

    def _next(self) -> str:
        self._number += 1
        return f"faults{self._number}"


class DurablePostgreSQL(PostgreSQL):
    """PostgreSQL as it is shipped: what it acknowledged is on disk."""

    def command(self) -> list[str]:
        return [*super().command(), "--fsync=on", "--full_page_writes=on", "--max_prepared_transactions=0"]

    def stop(self, *, crash: bool = False) -> None:
        """Killed by -9 it would leave its children behind for a while: `immediate` is its word for a crash."""
        if crash and self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)
            self.process = None
        else:
            super().stop()


class PostgreSQLStore(ServedStore):
    name, letter, kind = "postgresql", "P", DurablePostgreSQL

    def fresh(self, folder: Path) -> None:
        database = self._next()
        with self._admin("postgres") as admin:
            admin.execute(f"CREATE DATABASE {database}")
        self.url = self.server.url.rpartition("/")[0] + f"/{database}"

    def clients(self) -> int:
        with self._admin("postgres") as admin:
            counted = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [self._database])
            return int(counted.fetchone()[0])

    def sizes(self) -> dict[str, int]:
        with self._admin(self._database) as database:
            return _rows(lambda sql: int(database.execute(sql).fetchone()[0]))

    @property
    def _database(self) -> str:
        return self.url.rpartition("/")[2]

    def _admin(self, database: str) -> Any:
        import psycopg

        url = self.server.url.replace("+psycopg", "").rpartition("/")[0]
        return psycopg.connect(f"{url}/{database}", autocommit=True)


class DurableMariaDB(MariaDB):
    """MariaDB as it is shipped: what it acknowledged is on disk."""

    def command(self) -> list[str]:
        return [*super().command(), "--innodb-flush-log-at-trx-commit=1"]


class MariaDBStore(ServedStore):
    name, letter, kind = "mariadb", "M", DurableMariaDB

    def fresh(self, folder: Path) -> None:
        database = self._next()
        with self._admin() as admin:
            _ask(admin, f"CREATE DATABASE {database}")
        self.url = self.server.url.rpartition("/")[0] + f"/{database}"

    def clients(self) -> int:
        with self._admin() as admin:
            return _ask(admin, f"SELECT count(*) FROM information_schema.processlist WHERE db = '{self._database}'")

    def sizes(self) -> dict[str, int]:
        with self._admin() as admin:
            _ask(admin, f"USE {self._database}")
            return _rows(lambda sql: _ask(admin, sql))

    @property
    def _database(self) -> str:
        return self.url.rpartition("/")[2]

    def _admin(self) -> Any:
        import pymysql

        return pymysql.connect(host="127.0.0.1", port=self.server.port, user="qctl", autocommit=True)


class DurableRedis(Redis):
    """Redis that has written down what it acknowledged."""

    def command(self) -> list[str]:
        return [*super().command(), "--appendfsync", "always"]

    def probe(self) -> str:
        """It answers some things before it has read what it wrote down; here it is to answer everything."""
        import redis

        with redis.Redis(port=self.port, socket_timeout=2) as client:
            client.ping()
        return super().probe()


class RedisStore(ServedStore):
    name, letter, kind = "redis", "R", DurableRedis

    def fresh(self, folder: Path) -> None:
        with self._admin() as admin:
            admin.flushall()
        self.url = self.server.url

    def clients(self) -> int:
        with self._admin() as admin:
            return len([one for one in admin.client_list() if one["id"] != str(admin.client_id())])

    def sizes(self) -> dict[str, int]:
        """Nothing may stay but what is known of queues, flows, counters, and of ended jobs, listed or with a result."""
        with self._admin() as admin:
            left = {name: 1 for name in map(bytes.decode, admin.keys("*")) if not _may_stay(admin, name)}
            listed = [name for kind in _ENDED for name in admin.keys(f"*:{kind}:*")]
            known = {one for name in [*listed, *admin.keys("*:expiries")] for one in admin.zrange(name, 0, -1)}
            held = {kind: admin.hkeys(name) for kind in ("jobs", *_OF_JOBS) for name in admin.keys(f"*:{kind}")}
            return left | {f"{kind} without a job": len(set(ids) - known) for kind, ids in held.items()}

    def _admin(self) -> Any:
        import redis

        return redis.Redis.from_url(self.server.url, single_connection_client=True)


class HastyRedisStore(RedisStore):
    """Redis that writes down what it acknowledged, and lets the disk have it once a second only."""

    kind = Redis

    def written(self) -> int:
        """How many bytes it has written down so far."""
        return self._log.stat().st_size

    def cut_power(self, on_disk: int) -> bytes:
        """Let it be gone, and with it all that it wrote down after so many bytes; returns that."""
        self.crash()
        forgotten = self._log.read_bytes()[on_disk:]
        os.truncate(self._log, on_disk)  # a kill alone loses nothing that was handed to the kernel
        return forgotten

    @property
    def _log(self) -> Path:
        (log,) = (self.server.folder / "appendonlydir").glob("*.incr.aof")
        return log


KINDS: dict[str, type[FaultStore]] = {
    kind.name: kind for kind in (SQLiteStore, PostgreSQLStore, MariaDBStore, RedisStore)
}


_ENDED = ("completed", "cancelled", "failed")
_OF_JOBS = ("ends", "payloads", "history", "marks", "results")
_STAYS = {
    *("queues", "queue:<q>", "jobs", "tags", "wake:<q>", "workers", "supervisors", "overdue", "commands:<a>"),
    *("limits", "limitnames", "limitends", "minutes", "minute:<m>", "sums:<s>", "sum:<s>:<m>", "expiries"),
    *("flows:<k>", "flowends", "flow:<f>", "steps:<f>", "stepresults:<f>", "failedof:<f>", "dropped:<t>"),
    *(f"{kind}:<q>" for kind in _ENDED),
    *_OF_JOBS,
}
"""Keys that may be there once all jobs have ended; a request's ends by itself."""


def _may_stay(admin: Any, name: str) -> bool:
    known = kind_of(_PREFIX, name)
    if known is None:
        return False
    return known.name in _STAYS or (known.name == "request:<w>" and admin.ttl(name) != _NEVER)


def _rows(count: Any) -> dict[str, int]:
    """What of a database none may stay once all jobs have ended."""
    found = {f"rows of {table}": count(f"SELECT count(*) FROM {table}") for table in ("jobs", "jobs_slots")}
    stray = "SELECT count(*) FROM jobs_failed WHERE id IN (SELECT id FROM jobs_finished)"
    return found | {"jobs that failed and ended well": count(stray)}


def _descriptors(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return []  # gone, or not ours


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


def _ask(connection: Any, statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int((cursor.fetchone() or (0,))[0])
