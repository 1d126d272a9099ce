"""T10 on Redis: the master dies, and the Sentinels put its replica in its place; `stand_failover` judges it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.failover import stand_failover
from harness.fault_jobs import Sleeps
from harness.producer import Spec
from harness.rig import Rig
from harness.stores import RedisStore, only_on
from servers import session
from servers.redis_groups import Watched, client_of


class _Group(RedisStore):
    """A master, its replica and three Sentinels; `server` is whoever is master."""

    def __init__(self, folder: Path) -> None:
        self.watched = Watched(folder)
        self.watched.start()
        self.server, self.url = self.watched.master, self.watched.url

    def fall_behind(self) -> None:
        """Let the replica hear nothing more; the Sentinels set that right only after 8 s."""
        with client_of(self.watched.replica) as replica:
            replica.execute_command("REPLICAOF", "127.0.0.1", "1")

    def fail_over(self) -> set[str]:
        """Let the master die, and return once the Sentinels name the other; returns the ids that this one holds."""
        self.server.stop(crash=True)
        with client_of(self.watched.replica) as replica:
            held = set(replica.hkeys("{qctl}:jobs"))
        self.watched.await_master(self.watched.replica)
        self.server = self.watched.replica
        return held

    def clients(self) -> int:
        """Without the Sentinels' own."""
        with self._admin() as admin:
            others = [one for one in admin.client_list() if one["id"] != str(admin.client_id())]
            return len([one for one in others if not one["name"].startswith("sentinel-") and "S" not in one["flags"]])


@pytest.fixture
def group(rig: Rig) -> Iterator[_Group]:
    """Servers under Sentinels, in place of the rig's store."""
    usual = rig.store
    with session.scratch() as folder:
        group = _Group(folder)
        rig.store = group
        try:
            yield group
        finally:
            rig.close()
            rig.store = usual
            group.watched.stop()


@only_on("redis")
@pytest.mark.parametrize("is_behind", [False, True], ids=["", "to one behind"])
def test_t10_failover_by_sentinels(rig: Rig, group: _Group, is_behind: bool) -> None:
    """Under load: what the replica never heard of is lost and listed, and not a job more."""
    host = rig.host("--processes", "2", serving=2)
    producer = rig.producer(Spec(calls=0, pause_s=0.002, arguments=[0.005]))
    rig.noted("end", 50)
    behind_at = time.monotonic()
    if is_behind:
        group.fall_behind()
        rig.dispatch([Sleeps().delay_until(1.0) for _ in range(10)])  # nobody can have them done before the failover
        rig.await_dispatches(len(rig.ledger.dispatches()) + 50)
    stand_failover(rig, group, host, producer, behind_at=behind_at, loses=is_behind)
