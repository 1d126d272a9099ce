"""What each store does through its own client library, without a queue around it: the limit that ours is held to.

`one` stores one row or value, committed; `many` 1,000 in one step; `drain` takes everything away again in groups of
100, leased and then deleted: two commits a group.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from typing import Any

from benchmarks.stores import open_mariadb, plain

BODY = json.dumps({"job": "hit", "args": ["1732442789.123456", "customer-4711", "welcome-mail"]})
GROUP = 100
THOUSAND = 1_000


class Bare(ABC):
    """A list or table beside those of the engine, in the same database."""

    @abstractmethod
    def one(self) -> None: ...

    @abstractmethod
    def many(self) -> None: ...

    @abstractmethod
    def drain(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class BareRedis(Bare):
    _CLAIM = (
        "local got = redis.call('LPOP', KEYS[1], ARGV[1]) or {} "
        "for i, body in ipairs(got) do redis.call('ZADD', KEYS[2], 1, body .. i) end return got"
    )

    def __init__(self, url: str) -> None:
        import redis

        self._redis = redis.Redis.from_url(url)
        self._claim = self._redis.register_script(self._CLAIM)

    def one(self) -> None:
        self._redis.rpush("bare:q", BODY)

    def many(self) -> None:
        self._redis.rpush("bare:q", *[BODY] * THOUSAND)

    def drain(self) -> None:
        while self._claim(["bare:q", "bare:leased"], [GROUP]):
            self._redis.delete("bare:leased")

    def close(self) -> None:
        self._redis.close()


class BareTable(Bare):
    """A table of jobs with an index over those that wait."""

    mark = "%s"
    made = "CREATE TABLE IF NOT EXISTS bare (id {key}, queue VARCHAR(50) NOT NULL, payload TEXT NOT NULL, leased INT)"
    key = ""
    index = ""
    lock = ""

    def __init__(self) -> None:
        self._run(self.made.format(key=self.key))
        if self.index:
            self._run(self.index)

    @abstractmethod
    def _run(self, statement: str, *values: Any) -> list[Any]: ...

    def one(self) -> None:
        self._run(f"INSERT INTO bare (queue, payload) VALUES ('q', {self.mark})", BODY)

    def drain(self) -> None:
        while rows := self._lease():
            ids = ",".join(str(row[0]) for row in rows)
            self._run(f"DELETE FROM bare WHERE id IN ({ids})")

    def _lease(self) -> list[Any]:
        return self._run(
            "UPDATE bare SET leased = 1 WHERE id IN (SELECT id FROM bare WHERE queue = 'q' AND leased IS NULL"
            f" ORDER BY id LIMIT {GROUP} {self.lock}) RETURNING id, payload"
        )


class BarePostgreSQL(BareTable):
    key = "BIGSERIAL PRIMARY KEY"
    index = "CREATE INDEX IF NOT EXISTS bare_waits ON bare (queue, id) WHERE leased IS NULL"
    lock = "FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(plain(url), autocommit=True)
        super().__init__()

    def _run(self, statement: str, *values: Any) -> list[Any]:
        cursor = self._connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def many(self) -> None:
        self._run("INSERT INTO bare (queue, payload) SELECT 'q', p FROM unnest(%s::text[]) p", [BODY] * THOUSAND)

    def close(self) -> None:
        self._connection.close()


class BareSQLite(BareTable):
    mark = "?"
    key = "INTEGER PRIMARY KEY"
    index = "CREATE INDEX IF NOT EXISTS bare_waits ON bare (queue, id) WHERE leased IS NULL"

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        super().__init__()

    def _run(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def many(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO bare (queue, payload) VALUES ('q', ?)", [(BODY,)] * THOUSAND)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class BareMariaDB(BareTable):
    key = "BIGINT AUTO_INCREMENT PRIMARY KEY, KEY bare_waits (queue, leased, id)"

    def __init__(self, url: str) -> None:
        self._connection = open_mariadb(url)
        super().__init__()

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def many(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO bare (queue, payload) VALUES (%s, %s)", [("q", BODY)] * THOUSAND)

    def _lease(self) -> list[Any]:
        self._connection.begin()
        rows = self._run(
            "SELECT id, payload FROM bare WHERE queue = 'q' AND leased IS NULL"
            f" ORDER BY id LIMIT {GROUP} FOR UPDATE SKIP LOCKED"
        )
        if rows:
            self._run(f"UPDATE bare SET leased = 1 WHERE id IN ({','.join(str(row[0]) for row in rows)})")
        self._connection.commit()
        return rows

    def close(self) -> None:
        self._connection.close()


_KINDS: dict[str, type[Any]] = {
    "redis": BareRedis,
    "postgresql": BarePostgreSQL,
    "sqlite": BareSQLite,
    "mysql": BareMariaDB,
}


def open_bare(url: str) -> Bare:
    """The bare client of a store, found by its URL."""
    bare: Bare = _KINDS[url.partition("://")[0].partition("+")[0]](url)
    return bare
