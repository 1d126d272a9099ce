"""T25: a store that is full, or may only be read."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.store import in_ci
from harness.audit import attempts, unended
from harness.fault_jobs import Gated, Sleeps
from harness.rig import Rig
from harness.scale import leases
from harness.stores import MariaDBStore, PostgreSQLStore, RedisStore, SQLiteStore, only_on
from harness.waiting import until
from wild_jobs import Carries

from qcore import ConnectionFailed, Job
from qctl.exits import Exit

_BACK_WITHIN_S = 5.0
_DISK_MB = 4
_LOAD = "x" * 20_000
_ROOM = 1_000_000
"""Bytes that a store may take beside what it has."""


class _Space(ABC):
    """How a store runs out of space, or is forbidden to write."""

    said = ""
    """What dispatch must say."""
    check = ""
    """Which check of health must be critical."""
    found = ""
    """What it must name."""

    def __init__(self, rig: Rig) -> None:
        self.store: Any = rig.store

    @abstractmethod
    def fill(self) -> None:
        """Let nothing more be written."""

    @abstractmethod
    def free(self) -> None:
        """Let it be written again."""


class _Disk(_Space):
    """SQLite on a file system that is full."""

    said = "full"
    check, found = "disk", "0.0 GB free"

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self._ballast = Path(self.store.url.removeprefix("sqlite:///")).parent / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class _ReadOnlyTransactions(_Space):
    """PostgreSQL whose sessions begin no transaction that writes."""

    said = "read-only transaction"
    check, found = "writing", "transaction_read_only on"

    def fill(self) -> None:
        self._let("on")

    def free(self) -> None:
        self._let("off")

    def _let(self, value: str) -> None:
        with self.store._admin("postgres") as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            admin.execute("SELECT pg_reload_conf()")


class _ReadOnlyServer(_Space):
    """MariaDB that is read-only for all but its administrators; the rig is none of them."""

    said = "--read-only"
    check, found = "writing", "read_only 1"

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        database = self.store._database
        self._run(
            "CREATE USER IF NOT EXISTS 'plain'@'127.0.0.1'",
            f"GRANT ALL ON {database}.* TO 'plain'@'127.0.0.1'",
        )
        self.store.url = self.store.url.replace("qctl@", "plain@")

    def fill(self) -> None:
        self._run("SET GLOBAL read_only = 1")

    def free(self) -> None:
        self._run("SET GLOBAL read_only = 0")

    def _run(self, *statements: str) -> None:
        with self.store._admin() as admin, admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class _Memory(_Space):
    """Redis that may grow no more, and must not evict."""

    said = "out of memory"
    check, found = "memory", "used of"

    def fill(self) -> None:
        self._limit(1)

    def free(self) -> None:
        self._limit(0)

    def _limit(self, most: int) -> None:
        with self.store._admin() as admin:
            admin.config_set("maxmemory-policy", "noeviction")
            admin.config_set("maxmemory", most)


_KINDS: dict[type[Any], type[_Space]] = {
    SQLiteStore: _Disk,
    PostgreSQLStore: _ReadOnlyTransactions,
    MariaDBStore: _ReadOnlyServer,
    RedisStore: _Memory,
}


@pytest.fixture
def space(rig: Rig) -> Iterator[_Space]:
    """What the rig's store writes to."""
    with contextlib.ExitStack() as closing:
        if isinstance(rig.store, SQLiteStore):
            rig.store.fresh(closing.enter_context(_mounted(rig.folder / "small")))
        space = _KINDS[type(rig.store)](rig)
        closing.callback(space.free)
        yield space
        rig.close()


def test_t25_no_space(rig: Rig, space: _Space) -> None:
    """Dispatch says so; what runs is kept, and settled once there is space again."""
    host = rig.host("--processes", "2", serving=2)
    gate = rig.folder / "gate"
    rig.dispatch([Gated(str(gate)), *(Sleeps(0.01) for _ in range(20))])
    rig.noted("end", 20)
    space.fill()
    filled_at = rig.ledger.fault("no space")
    refused = _until_refused(rig)
    assert refused.is_refusal, f"repeating helps nobody: {refused}"
    assert space.said in str(refused).lower(), str(refused)
    _health_is_red(rig, space.check, space.found)
    gate.touch()  # this one ends now, and its end cannot be written
    rig.noted("end", 21)
    until(lambda: time.monotonic() > filled_at + leases(1.5), 30, "its lease ends")
    space.free()
    free_at = time.monotonic()
    until(lambda: _is_taken(rig, [Sleeps() for _ in range(20)]), _BACK_WITHIN_S, "dispatch works again")
    first = rig.noted("start", since=free_at)[0]
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    assert host.is_alive
    assert len(host.serving(2)) == 2
    rig.verdict(recovery_s=first.monotonic - free_at, within_s=_BACK_WITHIN_S)


@only_on("redis")
def test_t25_evicting_store(rig: Rig) -> None:
    """Redis that throws away what nobody asked for lately: jobs vanish, but neither workers nor dispatch break.

    That it may do so is said at once, before anything has vanished.
    """
    host = rig.host("--processes", "2", serving=2)
    pids = host.serving(2)
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    rig.noted("end", 20)
    gate = rig.folder / "gate"
    rig.dispatch([Gated(str(gate)), *(Sleeps().delay_until(1.0) for _ in range(50))])
    rig.noted("start", 21)
    server: Any = rig.store
    with server._admin() as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        _health_is_red(rig, "eviction", "allkeys-lru")
        used = int(admin.info("memory")["used_memory"])
        admin.config_set("maxmemory", used + _ROOM)
        rig.ledger.fault("evicts")
        until(lambda: _has_evicted(rig, admin, used), 20, "what jobs carry is evicted", every_s=0.001)
        gate.touch()
        rig.noted("end", 21)
        admin.config_set("maxmemory", 0)
        admin.config_set("maxmemory-policy", "noeviction")
    free_at = time.monotonic()
    after = rig.dispatch([Sleeps() for _ in range(20)])
    until(lambda: set(after) <= rig.ledger.ids("end"), _BACK_WITHIN_S, "what is dispatched now runs")
    recovery_s = max(run.began_at for one in after for run in attempts(rig.ledger)[one]) - free_at
    assert unended(rig), "nothing vanished: the test proves nothing"
    assert host.serving(2) == pids, "no worker broke"
    assert "Traceback" not in host.log
    assert host.terminate() == 0
    server.fresh(rig.folder)  # what it holds now is not a queue any more
    rig.verdict(repeats=21, recovery_s=recovery_s, within_s=_BACK_WITHIN_S, forgotten=rig.ledger.returned())


@only_on("redis")
def test_t25_evicted_job(rig: Rig) -> None:
    """A leased job of which the store lost all but the lease: those beside it come back all the same."""
    doomed = rig.host("--processes", "2", serving=2)
    gate = rig.folder / "gate"
    lost, other = rig.dispatch([Gated(str(gate)), Gated(str(gate))])
    rig.noted("start", 2)
    server: Any = rig.store
    with server._admin() as admin:
        (jobs,) = admin.keys("*:jobs")
        assert admin.hdel(jobs, lost) == 1
    died_at = rig.kill_host(doomed)
    gate.touch()
    rig.host()
    until(lambda: other in rig.ledger.ids("end"), leases(3) + 5, "the other job is given back")
    rig.settled(within_s=leases(3))
    (_, again) = attempts(rig.ledger)[other]
    rig.verdict(recovery_s=again.began_at - died_at, within_s=leases(3) + 1, forgotten=[lost])


@pytest.mark.parametrize("fault_store", ["sqlite"], indirect=True)
def test_t25_read_only_file(rig: Rig, space: _Space) -> None:
    """A file that may only be read gives no jobs and takes none, and says why."""
    rig.dispatch([Sleeps()])
    folder = Path(space.store.url.removeprefix("sqlite:///")).parent
    with _read_only(folder):
        rig.close_connections()
        with pytest.raises(ConnectionFailed, match="not writable") as refused:
            rig.dispatch([Sleeps()])
        assert refused.value.is_refusal
        rig.close_connections()
        _health_is_red(rig, "writing", "not writable")
    rig.host()
    rig.drained(within_s=10)
    rig.settled(within_s=10)
    rig.verdict()


def _until_refused(rig: Rig) -> ConnectionFailed:
    """Dispatch until the store takes no more; what it took before counts."""
    for _ in range(1000):
        try:
            rig.dispatch([Carries(_LOAD)])
        except ConnectionFailed as refused:
            return refused
    pytest.fail("the store is never full")


def _health_is_red(rig: Rig, check: str, found: str) -> None:
    """`qctl health` says that this is critical and why, and ends with a code that a monitor takes for an alarm."""
    asked = [sys.executable, "-m", "qctl", "health", "--json"]
    ended = subprocess.run(
        asked, cwd=rig.folder, env=rig.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode in {Exit.CRITICAL, Exit.UNREACHABLE}, f"{ended.returncode}: {ended.stdout}{ended.stderr}"
    told = {one["name"]: one for one in json.loads(ended.stdout)["data"]["checks"]}
    assert told[check]["verdict"] == "critical", ended.stdout
    assert found in told[check]["found"], told[check]
    assert told[check]["remedy"], told[check]


def _has_evicted(rig: Rig, admin: Any, used: int) -> bool:
    """Put more into a store; whether it was full by now, and threw something large away."""
    rig.dispatch([Carries(_LOAD).delay_until(1.0)])
    told = admin.info()
    return bool(told["evicted_keys"]) and int(told["used_memory"]) < used + _ROOM // 2


def _is_taken(rig: Rig, jobs: Sequence[Job]) -> bool:
    try:
        rig.dispatch(jobs)
    except ConnectionFailed:
        return False
    return True


@contextlib.contextmanager
def _mounted(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder.mkdir()
    with _mount("-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", folder):
        yield folder


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Nobody may write in a folder, not even root."""
    with _mount("--bind", folder, folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True, capture_output=True)
        yield


@contextlib.contextmanager
def _mount(*arguments: str | Path) -> Iterator[None]:
    mounted = os.geteuid() == 0 and subprocess.run(["mount", *arguments], check=False, capture_output=True)
    if not mounted or mounted.returncode:
        why = "this needs a small file system, and nothing can be mounted here (it takes root and CAP_SYS_ADMIN)"
        pytest.fail(why, pytrace=False) if in_ci() else pytest.skip(why)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", arguments[-1]], check=True, capture_output=True)
