"""The servers of one test run, shared by all its worker processes: each is started at its first need.

All the workers see one folder. A server's lock there lets one of them start it; what it said stands beside, for the
others. The process that began the run ends the servers, and the keepers do should it be killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from servers.base import Server
from servers.keeper import outlive
from servers.kinds import KINDS

_FOLDER = "QCTL_TEST_RUN"


class Missing(Exception):  # noqa: N818  it is a state of the machine, not a fault
    """A server whose programs are not installed."""


class Address(NamedTuple):
    """A server that answers."""

    url: str
    version: str


def begin() -> None:
    """Begin a run, in the process that leads it."""
    folder = Path(tempfile.mkdtemp(prefix="qctl-tests-"))
    folder.chmod(0o755)  # the servers' users must pass through
    (folder / "leader").write_text(str(os.getpid()))
    os.environ[_FOLDER] = str(folder)


def end() -> None:
    """End every server of the run, and remove what it wrote."""
    folder = _folder()
    keepers = [json.loads(said.read_text())["keeper"] for said in folder.glob("*.json")]
    for pid in keepers:
        os.kill(pid, signal.SIGTERM)
    for pid in keepers:
        _await_end(pid)
    shutil.rmtree(folder, ignore_errors=True)
    del os.environ[_FOLDER]


def need(name: str) -> Address:
    """The address of a server, started if it is not yet.

    Raises:
        Missing: its programs are not on this machine.
    """
    kind = require(name)
    said = _folder() / f"{name}.json"
    with _locked(name):
        if not said.exists():
            said.write_text(_start(kind))
    answer = json.loads(said.read_text())
    note("used", name, answer["version"])
    return Address(answer["url"], answer["version"])


def note(kind: str, store: str, text: str) -> None:
    """Leave word for the run's summary: a store that was `used`, or one that is `missing`."""
    (_folder() / f"{kind}-{store}").write_text(text)


def noted(kind: str) -> dict[str, str]:
    """What was noted of that kind: store → text."""
    return {path.name.partition("-")[2]: path.read_text() for path in sorted(_folder().glob(f"{kind}-*"))}


def own(name: str, folder: Path) -> Server:
    """A server for one test alone, which runs; the test may stop it and start it again.

    Raises:
        Missing: its programs are not on this machine.
    """
    server = require(name)(folder)
    note("used", name, server.start())
    return server


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that servers' users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require(name: str) -> type[Server]:
    """The kind of a server that is installed.

    Raises:
        Missing: its programs are not on this machine.
    """
    kind = KINDS[name]
    if kind.find() is None:
        note("missing", name, kind.package)
        raise Missing(f"{name} is not installed: apt-get install {kind.package}")
    return kind


def require_programs(name: str, package: str, *programs: str) -> list[str]:
    """The paths of programs that are no server, but are missed as loudly.

    Raises:
        Missing: one of them is not on this machine.
    """
    found = [path for program in programs if (path := shutil.which(program)) is not None]
    if len(found) < len(programs):
        note("missing", name, package)
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return found


def _folder() -> Path:
    return Path(os.environ[_FOLDER])


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _await_end(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:  # a worker of the run started it
        outlive(pid)


def _start(kind: type[Server]) -> str:
    folder = _folder()
    command = [sys.executable, "-m", "servers.keeper", kind.name, str(folder / kind.name)]
    with (folder / f"{kind.name}.keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [*command, (folder / "leader").read_text()],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is the run's, which then ends its servers in order
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    with keeper.stdout or sys.stdin.buffer as answers:
        answer = answers.readline().decode()
    if not answer:
        raise RuntimeError((folder / f"{kind.name}.keeper.log").read_text())
    keeper.returncode = 0  # it outlives us: nobody is to warn that it still runs
    return answer
