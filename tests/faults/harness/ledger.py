"""The books: what happened, written by those to whom it happened, in a SQLite file that no queue knows of.

Every entry is committed and synced before its writer goes on, so that a kill -9 finds all that was done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "FAULTS_LEDGER"
"""Where a worker or a producer finds the path."""

CALLBACK = "flow "
"""What an entry begins with that a callback of a flow made: then come the flow's id and the callback's name."""

_TABLES = """
CREATE TABLE events (job_id TEXT, attempt INT, event TEXT, monotonic REAL, wall REAL, pid INT);
CREATE TABLE dispatches (job_id TEXT, outcome TEXT, error TEXT, monotonic REAL, wall REAL, pid INT);
CREATE TABLE faults (kind TEXT, detail TEXT, pid INT, monotonic REAL);
CREATE INDEX by_event ON events (event, job_id);
"""


class Event(NamedTuple):
    """Something a job did, or a worker."""

    job_id: str
    attempt: int
    event: str
    """`start`, `end`, `failed`, `cancelled`; of a process (without a job) `serves`, or `says: ` and a line; or a test's
    own word."""
    monotonic: float
    wall: float
    pid: int


class Dispatch(NamedTuple):
    """What dispatch said of a job."""

    job_id: str
    outcome: str
    """`returned` or `raised`."""
    error: str
    monotonic: float
    wall: float
    pid: int


class Fault(NamedTuple):
    """Something that was broken on purpose."""

    kind: str
    """`kill`, `stop`, `crash`, …"""
    detail: str
    pid: int
    monotonic: float


class Ledger:
    """The books of one test, for any thread of any process.

    Args:
        path: of the file; made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._pid = 0
        self._opened: sqlite3.Connection | None = None
        if not path.exists():
            with closing(self._open()) as connection:
                connection.executescript(_TABLES)

    @staticmethod
    def here() -> Ledger:
        """The ledger that this process was told of."""
        return _at(os.environ[VARIABLE])

    # -- writing -------------------------------------------------------------------------------------------------

    def note(self, event: str, job_id: str = "", attempt: int = 0) -> None:
        """Note what happens now."""
        row = (job_id, attempt, event, time.monotonic(), time.time(), os.getpid())
        self._write("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", [row])

    def noted(self, event: str, ids: Iterable[str]) -> None:
        """Note that something has happened to each of these jobs."""
        now = (time.monotonic(), time.time(), os.getpid())
        self._write("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", [(job_id, 0, event, *now) for job_id in ids])

    def dispatched(self, ids: Iterable[str], outcome: str = "returned", error: str = "") -> None:
        """Note what dispatch said of jobs."""
        rows = [(job_id, outcome, error, time.monotonic(), time.time(), os.getpid()) for job_id in ids]
        self._write("INSERT INTO dispatches VALUES (?, ?, ?, ?, ?, ?)", rows)

    def fault(self, kind: str, pid: int = 0, detail: str = "", *, at: float | None = None) -> float:
        """Note that something is broken, now unless `at` says when; returns when, in monotonic seconds."""
        when = time.monotonic() if at is None else at
        self._write("INSERT INTO faults VALUES (?, ?, ?, ?)", [(kind, detail, pid, when)])
        return when

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let nobody write meanwhile: a process that is stopped in here holds the books up for no other."""
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("COMMIT")

    # -- reading -------------------------------------------------------------------------------------------------

    def events(self, event: str | None = None, *, since: float = 0.0, pid: int | None = None) -> list[Event]:
        """What happened, in order of time."""
        found = self._read("SELECT * FROM events WHERE monotonic >= ? ORDER BY monotonic, rowid", since)
        events = [Event(*row) for row in found]
        return [e for e in events if event in {None, e.event} and pid in {None, e.pid}]

    def of_jobs(self) -> dict[str, list[Event]]:
        """What each job did, in order of time."""
        jobs: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events():
            if event.job_id:
                jobs[event.job_id].append(event)
        return jobs

    def ids(self, *events: str) -> set[str]:
        """Ids of the jobs to which one of these happened."""
        marks = ",".join("?" * len(events))
        return {row[0] for row in self._read(f"SELECT DISTINCT job_id FROM events WHERE event IN ({marks})", *events)}

    def count(self, event: str) -> int:
        """How often something happened."""
        return int(self._read("SELECT count(*) FROM events WHERE event = ?", event)[0][0])

    def returned(self) -> set[str]:
        """Ids for which dispatch returned."""
        return {d.job_id for d in self.dispatches() if d.outcome == "returned"}

    def raised(self) -> list[Dispatch]:
        """Dispatches that raised."""
        return [d for d in self.dispatches() if d.outcome == "raised"]

    def dispatches(self) -> list[Dispatch]:
        """What dispatch said, in order of time."""
        return [Dispatch(*row) for row in self._read("SELECT * FROM dispatches ORDER BY monotonic, rowid")]

    def faults(self, kind: str | None = None) -> list[Fault]:
        """What was broken, in order of time."""
        faults = [Fault(*row) for row in self._read("SELECT * FROM faults ORDER BY monotonic")]
        return [fault for fault in faults if kind in {None, fault.kind}]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._opened is not None and self._pid == os.getpid():
                self._opened.close()
            self._opened = None

    # -- the file ------------------------------------------------------------------------------------------------

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._lock:
            connection = self._connection()
            if len(rows) == 1:
                connection.execute(statement, rows[0])
                return
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows)
            connection.execute("COMMIT")

    def _read(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection().execute(statement, values).fetchall()

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None or self._pid != os.getpid():  # a fork's parent keeps its own
            self._pid, self._opened = os.getpid(), self._open()
        return self._opened

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


@cache
def _at(path: str) -> Ledger:
    return Ledger(Path(path))
