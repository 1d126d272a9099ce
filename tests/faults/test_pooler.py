"""T27: PostgreSQL behind a pooler that gives each transaction another session."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import test_kills
from fakes.store import in_ci
from harness import eager
from harness.fault_jobs import Sleeps
from harness.rig import Rig
from harness.stores import PostgreSQLStore, only_on
from harness.swapping import SwappingPooler
from harness.waiting import until
from servers import session
from servers.pgbouncer import PgBouncer

_SESSIONS = 6
_PREPARES_SINCE = (1, 21)
"""PgBouncer gives each client its own prepared statements again; below, whoever prepares one breaks others."""
_OF_POOLER = "PGBOUNCER_"
_POLLED_WITHIN_S = 1.0
_WARNING = "lets no NOTIFY through"
_OURS = ("statement_timeout", "lock_timeout", "enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")

_PROBED = "jobs_ready_"
"""What the channel is called on which a start tries whether a notification comes through."""

_SWAPS, _REFUSES, _PREPARES = "swaps sessions", "refuses options", "prepares statements"

pytestmark = only_on("postgresql")


def behind(*poolers: str) -> pytest.MarkDecorator:
    """Mark a test that is run behind each of these poolers."""
    return pytest.mark.parametrize("pooled", poolers, indirect=True)


class _Preparing(PgBouncer):
    """Knows of its clients' prepared statements, where its version can."""

    def prepare(self) -> None:
        super().prepare()
        said = subprocess.run([self.find() or self.program, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"(\d+)\.(\d+)", said.stdout)
        if found is not None and (int(found[1]), int(found[2])) >= _PREPARES_SINCE:
            with (self.folder / "pgbouncer.ini").open("a") as settings:
                settings.write("max_prepared_statements = 100\n")


class _Pooled(PostgreSQLStore):
    """A database as its clients see it, from behind the pooler."""

    def __init__(self, usual: PostgreSQLStore, pooler: PgBouncer | SwappingPooler) -> None:
        self.__dict__.update(usual.__dict__)
        self._pooler = pooler
        self.url = usual.url.replace(str(usual.server.port), str(pooler.port))

    def clients(self) -> int:
        return self._pooler.clients(self._database)

    def session(self) -> psycopg.Connection[Any]:
        """A connection through the pooler."""
        return psycopg.connect(self.url.replace("+psycopg", ""))


@pytest.fixture
def pooled(rig: Rig, request: pytest.FixtureRequest) -> Iterator[_Pooled]:
    """A pooler before the rig's store: the harness's own, which gives no client the same session twice in a row; or
    PgBouncer, as it is strict with its clients, or as they prepare statements.
    """
    usual: Any = rig.store
    with session.scratch() as folder:
        pooler: PgBouncer | SwappingPooler
        if request.param == _SWAPS:
            pooler = SwappingPooler(usual.url, _SESSIONS)
        else:
            pooler = _bouncer(folder, usual, prepares=request.param == _PREPARES)
        rig.store = _Pooled(usual, pooler)
        rig.hooks += [] if request.param == _REFUSES else [eager.__name__]
        try:
            yield rig.store
            assert not isinstance(pooler, SwappingPooler) or pooler.swaps, "it swapped nothing: the test proves nothing"
        finally:
            rig.close()
            pooler.stop()
            rig.store = usual


def _bouncer(folder: Path, usual: PostgreSQLStore, *, prepares: bool) -> PgBouncer:
    if PgBouncer.find() is None:
        session.note("missing", PgBouncer.name, PgBouncer.package)
        missing = "pgbouncer is not installed: apt-get install pgbouncer"
        pytest.fail(missing, pytrace=False) if in_ci() else pytest.skip(missing)
    kind = _Preparing if prepares else PgBouncer
    pooler = kind(folder / "pgbouncer", usual.server, ignores="options" if prepares else "")
    session.note("used", PgBouncer.name, pooler.start())
    return pooler


@behind(_SWAPS, _REFUSES, _PREPARES)
def test_t27_kill_of_a_child(rig: Rig, pooled: _Pooled) -> None:
    """T1, behind the pooler."""
    test_kills.test_t1_kill_of_a_child(rig)
    _leaves_nothing_behind(pooled)


@behind(_SWAPS, _REFUSES, _PREPARES)
def test_t27_kill_between_end_and_settle(rig: Rig, pooled: _Pooled) -> None:
    """T3, behind the pooler."""
    test_kills.test_t3_kill_between_end_and_settle(rig)
    _leaves_nothing_behind(pooled)


@behind(_SWAPS, _REFUSES, _PREPARES)
def test_t27_no_notification(rig: Rig, pooled: _Pooled) -> None:
    """The first start says so once, however many processes there are; an idle worker finds a job within a second."""
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    ended = subprocess.run(
        [sys.executable, "-m", "qctl", "work", "--stop-when-empty", "--processes", "3"],
        cwd=rig.folder,
        env=rig.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(_WARNING) == 1, ended.stderr
    rig.host("--processes", "2", serving=2)
    longest_s = 0.0
    for _ in range(5):
        (job_id,) = rig.dispatch([Sleeps()])
        at = time.monotonic()
        until(lambda job_id=job_id: job_id in rig.ledger.ids("start"), 10, "an idle worker finds the job")  # type: ignore[misc]  # bound now
        longest_s = max(longest_s, time.monotonic() - at)
    rig.drained(within_s=10)
    rig.settled(within_s=10)
    rig.verdict(recovery_s=longest_s, within_s=_POLLED_WITHIN_S)
    _leaves_nothing_behind(pooled)


def _leaves_nothing_behind(pooled: _Pooled) -> None:
    """Whatever a session of the pool keeps is somebody else's surprise."""
    with ExitStack() as opened:
        sessions = [opened.enter_context(closing(pooled.session())) for _ in range(_SESSIONS)]
        backends = set()
        for one in sessions:  # each holds a transaction open, so that each is another session
            (backend, channels) = one.execute(
                "SELECT pg_backend_pid(), array(SELECT pg_listening_channels())", prepare=False
            ).fetchone() or (0, [])
            backends.add(backend)
            heard = [channel for channel in channels if not channel.startswith(_PROBED)]
            assert not heard, f"it still listens to {heard}"
            changed = one.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) AND source IN ('session', 'client')",
                [list(_OURS)],
            ).fetchall()
            assert not changed, f"settings are left: {changed}"
            prepared = one.execute("SELECT name, statement FROM pg_prepared_statements WHERE name <> ''").fetchall()
            theirs = [name for name, _ in prepared if not name.startswith(_OF_POOLER)]
            assert not theirs, f"prepared statements are left: {prepared}"
        assert len(backends) == _SESSIONS
        locks = sessions[0].execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        assert locks == (0,)
