"""The process that asks the stores for a supervisor: nobody waits for it, and it is replaced when it dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import tree_jobs as jobs
from fakes.registry import worker_record
from fakes.store import fresh_url
from trees import Store, Tree, until

from qcore import QueueManager, dispatcher
from qcore.config import ConnectionSettings, load_settings
from qcore.drivers import open_store
from qcore.monitor.actions import Actions
from qcore.worker.children import Child, Duty
from qcore.worker.courier import NAME, Courier
from qcore.worker.pulse import Pulse
from qcore.worker.slots import SlotMemory


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., ConnectionSettings]) -> Iterator[ConnectionSettings]:
    """A connection to a file that has its tables."""
    settings = make_settings(url=fresh_url("sqlite", tmp_path), lease_s=3.0)
    with closing(open_store(settings)) as store:
        store.counts([])
    yield settings
    assert couriers() == [], "it outlives nobody"


def couriers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if one.name() == NAME.decode()]


def sockets() -> list[str]:
    """The sockets that this process has open."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if link.startswith("socket:")]


@contextmanager
def locked(settings: ConnectionSettings) -> Iterator[None]:
    """Let the store be silent meanwhile."""
    with closing(sqlite3.connect(settings.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def beating(settings: ConnectionSettings) -> Iterator[tuple[Pulse, list[str]]]:
    """A pulse that has asked the store once, and what it says."""
    told: list[str] = []
    with closing(Pulse("supervisor", [settings], told.append)) as pulse:
        counted(pulse)
        yield pulse, told


def turning(pulse: Pulse, until_true: Callable[[], Any]) -> Any:
    """Go on until something holds; what it gave."""
    return until(lambda: pulse.beat([]) is None or until_true())


def counted(pulse: Pulse) -> Any:
    since = time.monotonic()
    return turning(pulse, lambda: pulse.counts("tests", ["default"], since) is not None)


def test_nobody_waits_for_a_silent_store(settings: ConnectionSettings) -> None:
    with beating(settings) as (pulse, told):
        turns = 0
        with locked(settings):
            pulse.forfeit("dead", {})
            while not told:
                pulse.beat([])
                turns += 1
        assert turns > 100
        turning(pulse, lambda: any("answers again" in line for line in told))


def test_who_asks_the_stores_is_replaced_when_it_dies(settings: ConnectionSettings) -> None:
    with beating(settings) as (pulse, _):
        [asks] = couriers()
        asks.kill()
        turning(pulse, lambda: [one for one in couriers() if one.pid != asks.pid])
        counted(pulse)


def test_who_asks_the_stores_minds_no_signal_of_its_group(settings: ConnectionSettings) -> None:
    with beating(settings) as (pulse, told):
        [asks] = couriers()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2):
            asks.send_signal(number)
        counted(pulse)
        counted(pulse)
        assert told == []
        assert couriers() == [asks]


def test_a_child_inherits_no_way_to_who_asks_the_stores(settings: ConnectionSettings) -> None:
    with beating(settings):
        own = sockets()
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(writing, str(len(sockets())).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        assert int(os.read(reading, 16)) == len(own) - 1
        os.close(reading)
        os.close(writing)


class Falls:
    """A store whose user dies, once, with a command that it has fetched."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._store = open_store(settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def report(self, workers: Any, taken: Any) -> Any:
        commands = self._store.report(workers, taken)
        if commands and not Path("fell").exists():
            Path("fell").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return commands


def test_a_command_is_not_lost_with_who_fetched_it(settings: ConnectionSettings) -> None:
    child = Child(0, SlotMemory(1, 1).child(0), os.getpid(), Duty(("default",), settings.name))
    child.slots.open("worker")
    heard: list[str] = []
    messenger = partial(Courier, opened=Falls)
    with closing(open_store(settings)) as store, closing(Pulse("s", [settings], print, [], messenger)) as pulse:

        def turn(is_over: Callable[[], Any]) -> Any:
            heard.extend(one.command for one in pulse.beat([child]))
            return is_over()

        until(lambda: turn(store.workers))
        store.command("worker", "pause")
        until(lambda: turn(lambda: heard))
        until(lambda: turn(lambda: not store.report([worker_record(id="worker")])))
    assert heard == ["pause"]
    assert Path("fell").exists()


# -- a real supervisor ---------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    """A store in a file, for which everybody has a minute's patience."""
    url = fresh_url("sqlite", tmp_path)
    (tmp_path / "qctl.toml").write_text(f'[connections.tests]\nurl = "{url}"\ntimeout_s = 60\n')
    manager = QueueManager(load_settings({"url": url}, environ={}))
    before = manager.install()
    yield Store(manager)
    manager.close()
    dispatcher.install(before)


@pytest.mark.slow
def test_children_are_judged_and_replaced_while_the_store_is_silent(file: Store, tmp_path: Path) -> None:
    settings = file.manager.settings.connection()
    with closing(Tree(tmp_path, settings.url, "work", "--processes", "2")) as tree:
        for _ in range(2):
            tree.await_event("started")
        deaf = str(jobs.Deaf.dispatch())
        [busy] = until(lambda: [one.pid for one in file.workers() if one.running])
        [idle] = until(lambda: [one.pid for one in file.workers() if one.pid != busy])
        with locked(settings):
            os.kill(idle, signal.SIGKILL)
            tree.await_event("trouble", text=f"worker process {idle} was ended by signal 9 (SIGKILL)")
            tree.await_event("started")
            tree.await_event("trouble", text=f"worker process {busy} is ended: ")
            tree.await_event("started")
        job = file.ended(deaf)
        assert (job.state.value, job.attempts, job.crashes) == ("failed", 1, 1)
        tree.send(signal.SIGTERM)
        assert tree.end() == 0


@pytest.mark.slow
def test_a_supervisor_whose_children_never_serve_can_be_ended_from_afar(file: Store, tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\nfrom qcore.worker import Worker\nWorker.__init__ = lambda *_, **__: os._exit(3)\n"
    )
    url = file.manager.settings.connection().url
    with closing(Tree(tmp_path, url, "work", "--app", "dying")) as tree:
        [found] = until(file.workers)
        assert (found.state, found.pid, found.supervisor) == ("crashing", tree.pid, found.id)
        assert Actions(file.manager).command("*", "terminate").changed
        assert tree.end() == 0
    assert file.workers() == []
