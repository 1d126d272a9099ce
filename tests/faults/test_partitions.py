"""T8 to T10: the network swallows what is said, and comes back; the server dies, and another takes its place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.audit import attempts
from harness.failover import FAILOVER_S, MOST_UNSETTLED, stand_failover
from harness.fault_jobs import GatedByAttempt, Hangs, Sleeps
from harness.producer import Spec
from harness.proxy import Proxy
from harness.rig import Rig
from harness.scale import LEASE_S, leases, seconds
from harness.stores import SERVERS, DurablePostgreSQL, PostgreSQLStore, only_on
from harness.waiting import until
from servers import session
from wild_jobs import Heeds

_TAKEN_OVER_WITHIN_S = LEASE_S * 4 / 3 * 2 + 4
"""A lease; a host that starts, on a busy machine; the term of beats before it may reclaim; a look."""
_NOTICED_S = LEASE_S * 4 / 3 + 0.5
"""A worker whose leases nobody renews knows it after a term, and a beat."""
_BLACK_S = max(seconds(120), leases(3))

on_servers = only_on(*SERVERS)


@on_servers
def test_t8_half_open_connection(rig: Rig) -> None:
    """Packets vanish and nobody is told: others have its jobs at the lease's end, and it begins nothing any more."""
    proxy = rig.proxy()
    cut = rig.host(QCTL_URL=proxy.url)
    pids = set(cut.serving())
    rig.dispatch([Sleeps() for _ in range(100)])
    rig.drained(within_s=20)
    long, *behind = rig.dispatch([Hangs(leases(1.5)), *(Sleeps() for _ in range(30))])
    until(lambda: long in attempts(rig.ledger), 10, "the long job begins", every_s=0.002)
    proxy.black_hole()
    at = rig.ledger.fault("black hole")
    rig.host()
    rig.drained(within_s=_TAKEN_OVER_WITHIN_S + leases(1.5) + 5)
    until(lambda: len(attempts(rig.ledger)[long]) == 2, _TAKEN_OVER_WITHIN_S, "the long job is taken over")
    until(lambda: time.monotonic() > at + _BLACK_S, _BLACK_S, "the black hole lasts longer than any lease")
    assert "connection" in cut.log, "the worker says that it hears nothing"
    proxy.heal()
    until(lambda: "its lease was lost" in cut.log, 20, lambda: f"the late end is refused:\n{cut.log}")
    runs = attempts(rig.ledger)
    late = [run for job in runs.values() for run in job if run.pid in pids and run.began_at > at + _NOTICED_S]
    assert not late, f"{len(late)} jobs began that others may have had"
    rig.dispatch([Sleeps() for _ in range(20)])
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    taken_s = max(run.began_at for one in [long, *behind] for run in runs[one] if run.pid not in pids) - at
    rig.verdict(repeats=1, overlaps=1, recovery_s=taken_s, within_s=_TAKEN_OVER_WITHIN_S)


@on_servers
def test_t8_soft_stop(rig: Rig) -> None:
    """A worker that is to stop what others may begin: its job hears of that by the lease's end."""
    rig.configure(lease_s=LEASE_S, timeout_s=2.0, on_lease_loss="stop")
    proxy = rig.proxy()
    cut = rig.host(QCTL_URL=proxy.url)
    (job_id,) = rig.dispatch([Heeds(leases(2))])
    (begun,) = rig.noted("start")
    until(lambda: time.monotonic() > begun.monotonic + leases(0.5), 10, "a beat has named the job as begun")
    proxy.black_hole()
    at = rig.ledger.fault("black hole")
    rig.host()
    (stopped,) = rig.noted("stopped", within_s=leases(2))
    assert stopped.pid == begun.pid
    assert stopped.monotonic - at <= LEASE_S, "it noticed too late: others may have begun the job"
    rig.noted("start", 2, within_s=_TAKEN_OVER_WITHIN_S)
    rig.drained(within_s=leases(3) + 10)
    proxy.heal()
    rig.dispatch([Sleeps() for _ in range(20)])
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    first, second = attempts(rig.ledger)[job_id]
    assert first.ended_at is None
    assert second.began_at > stopped.monotonic, "two attempts were alive"
    assert cut.is_alive
    rig.verdict(recovery_s=second.began_at - at, within_s=_TAKEN_OVER_WITHIN_S)


@on_servers
@pytest.mark.parametrize("first", ["late", "second"])
def test_t9_partition_and_return(rig: Rig, first: str) -> None:
    """In the middle of a job, for two leases: both attempts end, the late end is refused, one end is counted.

    The job lasts as long as it takes until another host has it, and then for a while. Its late end comes while the
    second attempt runs, or after that has ended; in both cases the store holds then what it held before.
    """
    proxy = rig.proxy()
    gates = [rig.folder / "gate1", rig.folder / "gate2"]
    cut = rig.host(QCTL_URL=proxy.url)
    (job_id,) = rig.dispatch([GatedByAttempt(str(rig.folder / "gate"))])
    (begun,) = rig.noted("start")
    until(lambda: time.monotonic() > begun.monotonic + leases(0.5), 10, "a beat has named the job as begun")
    proxy.black_hole()
    at = rig.ledger.fault("black hole")
    rig.host()
    rig.noted("start", 2, within_s=_TAKEN_OVER_WITHIN_S)
    until(lambda: time.monotonic() > at + leases(30 / 15), 60, "the partition lasts two leases")
    if first == "second":
        gates[1].touch()
        rig.ended(job_id)
    before = _kept(rig, job_id)
    proxy.heal()
    gates[0].touch()
    until(lambda: "its lease was lost" in cut.log, 20, lambda: f"the late end is refused:\n{cut.log}")
    assert _kept(rig, job_id) == before, "an end that was refused changes nothing"
    gates[1].touch()
    rig.noted("end", 2)
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    one, other = attempts(rig.ledger)[job_id]
    assert one.pid != other.pid
    stored = rig.connection.find(job_id)
    assert stored is not None
    assert stored.attempts == 2, "the attempt that was given up is charged"
    assert [counts.completed for counts in rig.connection.counts()] == [1], "one end is counted"
    rig.verdict(repeats=1, overlaps=1, recovery_s=other.began_at - at, within_s=_TAKEN_OVER_WITHIN_S)


def _kept(rig: Rig, job_id: str) -> tuple[Any, ...]:
    """All that the store says of a job, and how many it counts."""
    counts = [(one.pending, one.processing, one.retrying, one.completed, one.failed) for one in rig.connection.counts()]
    return rig.connection.find(job_id), counts


class _Standby(DurablePostgreSQL):
    """A copy of another server, which follows it until it is promoted."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self._primary_port = port

    def prepare(self) -> None:
        self.run(
            self.find("pg_basebackup") or "pg_basebackup",
            *("-h", "127.0.0.1", "-p", str(self._primary_port), "-U", "qctl", "-D", "data"),
            *("-R", "-X", "stream", "-c", "fast"),
        )


class _Pair(PostgreSQLStore):
    """A primary and its standby; clients know both.

    Args:
        folder: of both.
        is_sync: the primary acknowledges nothing that its standby has not applied.
    """

    def __init__(self, folder: Path, *, is_sync: bool) -> None:
        super().__init__(folder)
        self.is_sync = is_sync
        self._stream = Proxy(self.server.url)
        self._standby = _Standby(folder / "standby", self._stream.port)
        self._standby.start()
        with self._admin("postgres") as admin:
            if is_sync:
                admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                admin.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
                admin.execute("SELECT pg_reload_conf()")
            until(lambda: self._is_followed(admin), 20, "the standby keeps up")

    def fresh(self, folder: Path) -> None:
        super().fresh(folder)
        both = "&".join(f"host=127.0.0.1:{one.port}" for one in (self.server, self._standby))
        self.url = f"postgresql+psycopg://qctl@/{self._database}?{both}&target_session_attrs=read-write"

    def fall_behind(self) -> None:
        """Let the standby hear nothing any more."""
        self._stream.black_hole()

    def fail_over(self) -> set[str]:
        """Let the primary die at once, and the standby take its place; returns the ids of all jobs there."""
        self.server.stop(crash=True)
        self.server = self._standby
        with self._admin(self._database) as admin:
            replayed = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
            until(lambda: admin.execute(replayed).fetchone()[0], 20, "the standby has applied what it heard")
            tables = ("jobs", "jobs_finished", "jobs_failed")
            held = admin.execute(" UNION ALL ".join(f"SELECT id FROM {table}" for table in tables)).fetchall()
            admin.execute("SELECT pg_promote()")
        return {str(job_id) for (job_id,) in held}

    def close(self) -> None:
        """Let go of both."""
        self._stream.close()
        for one in {self.server, self._standby}:
            one.stop(crash=True)

    @property
    def _database(self) -> str:
        return super()._database.partition("?")[0]

    def _is_followed(self, admin: Any) -> bool:
        state = "sync" if self.is_sync else "async"
        following = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = %s"
        return bool(admin.execute(following, [state]).fetchone())


@pytest.fixture
def pair(rig: Rig, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Pair]:
    """A primary and its standby, in place of the rig's store."""
    usual = rig.store
    with session.scratch() as folder:
        pair = _Pair(folder, is_sync=request.param == "sync")
        pair.fresh(tmp_path)
        rig.store = pair
        yield pair
        rig.close()
        rig.store = usual
        pair.close()


@only_on("postgresql")
@pytest.mark.parametrize("pair", ["sync"], ids=[""], indirect=True)
def test_t10_failover(rig: Rig, pair: _Pair) -> None:
    """Under load, with a standby that has all that was acknowledged: nothing is lost."""
    host = rig.host("--processes", "2", serving=2)
    rig.producer(Spec(calls=0, pause_s=0.002, arguments=[0.005]))
    rig.noted("end", 50)
    at = rig.ledger.fault("failover")
    pair.fail_over()
    (first, *_) = rig.noted("start", since=time.monotonic(), within_s=30)
    rig.noted("end", 50, since=first.monotonic, within_s=30)
    rig.producers[0].kill()
    rig.drained(within_s=60)
    rig.settled(within_s=30)
    assert host.is_alive
    rig.verdict(repeats=MOST_UNSETTLED, recovery_s=first.monotonic - at, within_s=FAILOVER_S)


@only_on("postgresql")
@pytest.mark.parametrize("pair", ["async"], indirect=True)
def test_t10_failover_to_one_behind(rig: Rig, pair: _Pair) -> None:
    """Under load, with a standby that lags: what it never heard of is lost and listed, and not a job more."""
    host = rig.host("--processes", "2", serving=2)
    producer = rig.producer(Spec(calls=0, pause_s=0.002, arguments=[0.005]))
    rig.noted("end", 50)
    pair.fall_behind()
    behind_at = time.monotonic()
    rig.dispatch([Sleeps().delay_until(1.0) for _ in range(10)])  # nobody can have them done before the failover
    rig.await_dispatches(len(rig.ledger.dispatches()) + 50)
    stand_failover(rig, pair, host, producer, behind_at=behind_at, loses=True)
