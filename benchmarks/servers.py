"""Store servers of a run's own, with the settings that the figures are quoted for.

They are started as the tests start theirs, but durable: each under a keeper, which ends it with the run however that
ends. Called as `python -m benchmarks.servers KIND FOLDER PID` this is that keeper.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from servers import keeper
from servers.mariadb import MariaDB
from servers.postgresql import PostgreSQL
from servers.redis import Redis

if TYPE_CHECKING:
    from servers.base import Server

from benchmarks import ROOT

_CPUS = "BENCH_STORE_CPUS"


class DurableRedis(Redis):
    """`appendonly yes, appendfsync everysec`, as the tests have it."""


class VolatileRedis(Redis):
    name = "redis-noaof"

    def command(self) -> list[str]:
        return [*super().command(), "--appendonly", "no"]


class DurablePostgreSQL(PostgreSQL):
    def command(self) -> list[str]:
        settings = ("fsync=on", "full_page_writes=on", "synchronous_commit=on", "shared_buffers=128MB")
        return [*super().command(), *(f"--{one}" for one in settings)]


class DurableMariaDB(MariaDB):
    def command(self) -> list[str]:
        return [*super().command(), "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M"]


KINDS: dict[str, type[Server]] = {
    kind.name: kind for kind in (DurableRedis, VolatileRedis, DurablePostgreSQL, DurableMariaDB)
}


class Address(NamedTuple):
    """A server that answers."""

    url: str
    version: str


def is_installed(kind: str) -> bool:
    return KINDS[kind].find() is not None


@contextlib.contextmanager
def running(kind: str, cpus: set[int] | None = None) -> Iterator[Address]:
    """Run a server for a block, on these processors alone if any are named."""
    folder = Path(tempfile.mkdtemp(prefix="qctl-bench-"))
    folder.chmod(0o755)  # the server's user must pass through
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers", kind, str(folder / kind), str(os.getpid())],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,  # a Ctrl-C is ours, which then ends the keeper
        env={**os.environ, _CPUS: ",".join(map(str, cpus or ()))},
    )
    try:
        answer = process.stdout.readline() if process.stdout else b""
        if not answer:
            raise RuntimeError(f"{kind} did not start")
        said = json.loads(answer)
        yield Address(said["url"], said["version"])
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def main(kind: str, folder: str, pid: str) -> None:
    cpus = os.environ.get(_CPUS, "")
    if cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    keeper.KINDS.update(KINDS)
    try:
        keeper.main(kind, folder, pid)
    finally:
        with contextlib.suppress(OSError):  # told to stop, the keeper leaves the folder
            keeper.shutil.rmtree(Path(folder).parent, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
