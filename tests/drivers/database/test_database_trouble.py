"""What goes wrong with a database is told in one line, and never in the words of its library alone."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.values import completed, envelope, envelopes
from fakes.worker import FakeWorker
from servers import stores
from sqlalchemy import Engine, text

from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from qcore.errors import ConfigurationError, ConnectionFailed, QueueError

MakeStore = Callable[..., Any]


def error_of(verb: Callable[[], Any]) -> QueueError:
    """The error of a verb, which is one line."""
    with pytest.raises(QueueError) as caught:
        verb()
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value


class TestSQLite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "queue.db"

    @pytest.fixture
    def store(self, path: Path) -> Iterator[Any]:
        with closing(open_store(stores.settings_for(f"sqlite:///{path}", timeout_s=0.3))) as store:
            yield store

    def test_a_file_that_is_no_database(self, store: Any, path: Path) -> None:
        path.write_bytes(b"Dear diary, " * 1000)
        error = error_of(store.ping)
        assert isinstance(error, ConnectionFailed)
        assert str(path) in error.message
        assert "no SQLite database" in error.message
        assert "name another file" in error.hint

    def test_a_damaged_file(self, store: Any, path: Path) -> None:
        store.push(envelopes(200))
        store.close()
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
        error = error_of(lambda: store.push([envelope()]))
        assert isinstance(error, ConnectionFailed)
        assert "damaged" in error.message
        assert "backup" in error.hint

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        store = open_store(stores.settings_for(f"sqlite:///{tmp_path}/nowhere/queue.db"))
        error = error_of(store.ping)
        assert f"there is no folder {tmp_path}/nowhere" in error.message

    def test_a_folder_in_the_place_of_the_file(self, store: Any, path: Path) -> None:
        path.mkdir()
        assert isinstance(error_of(store.ping), ConnectionFailed)

    @pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
    @pytest.mark.parametrize("readable", ["folder", "file"])
    def test_what_is_not_writable(self, tmp_path: Path, readable: str) -> None:
        path = tmp_path / "queue.db"
        if readable == "file":
            open_store(stores.settings_for(f"sqlite:///{path}")).migrate()
        said = as_nobody(f"sqlite:///{path}", tmp_path)
        assert said.startswith("ConnectionFailed")
        assert "not writable" in said

    def test_a_file_that_stays_locked(self, store: Any, path: Path) -> None:
        store.push([envelope()])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            error = error_of(lambda: store.push([envelope()]))
        assert isinstance(error, ConnectionFailed)
        assert "locked" in error.message
        assert store.push([envelope()])

    def test_a_file_that_is_locked_for_a_while(self, path: Path) -> None:
        with closing(open_store(stores.settings_for(f"sqlite:///{path}"))) as store:
            store.push([envelope()])
            other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")
            timer = threading.Timer(0.3, other.rollback)
            timer.start()
            assert store.push([envelope()])
            timer.join()
            other.close()

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
    def test_memory_is_not_shared(self, url: str) -> None:
        error = error_of(lambda: open_store(stores.settings_for(url)))
        assert isinstance(error, ConfigurationError)
        assert '"memory"' in error.hint

    def test_a_library_that_is_too_old(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
        error = error_of(lambda: open_store(stores.settings_for(f"sqlite:///{path}")))
        assert "3.35 is needed" in error.message

    @pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("full", 2)])
    def test_how_much_a_commit_waits_for(self, path: Path, durability: str, synchronous: int) -> None:
        with closing(open_store(stores.settings_for(f"sqlite:///{path}", durability=durability))) as store:
            asked: Any = store
            found = asked._link.run(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar())
        assert found == synchronous

    def test_the_file_stays_where_it_was(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with closing(open_store(stores.settings_for("sqlite:///queue.db"))) as store:
            monkeypatch.chdir("/")
            store.ping()
        assert (tmp_path / "queue.db").exists()


def as_nobody(url: str, folder: Path) -> str:
    """What a push says to a user who may read the folder and not write it."""
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        try:
            for place in (folder, *folder.parents):
                if place != Path("/tmp"):
                    place.chmod(place.stat().st_mode | 0o055) if place.owner() == "root" else None
            os.setgid(65534)
            os.setuid(65534)
            open_store(stores.settings_for(url, timeout_s=0.3)).push([envelope()])
            os.write(writer, b"stored")
        except BaseException as error:  # noqa: BLE001  the parent is told
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        return said.read()


class TestURLs:
    @pytest.mark.parametrize(
        "url", ["oracle://x/y", "postgresql+psycopg2://x/y", "mysql+mysqldb://x/y", "no url", "", "mysql://x:port/y"]
    )
    def test_what_leads_nowhere(self, url: str) -> None:
        error = error_of(lambda: open_store(ConnectionSettings(name="tests", driver="database", url=url)))
        assert isinstance(error, ConfigurationError)

    @pytest.mark.parametrize(
        ("url", "drivername"),
        [
            ("sqlite:///queue.db", "sqlite+pysqlite"),
            ("postgres://h/d", "postgresql+psycopg"),
            ("postgresql://h/d", "postgresql+psycopg"),
            ("postgresql+psycopg://h/d", "postgresql+psycopg"),
            ("mysql://h/d", "mysql+pymysql"),
            ("mariadb://h/d", "mysql+pymysql"),
            ("mariadb+pymysql://h/d", "mysql+pymysql"),
        ],
    )
    def test_the_short_forms(self, url: str, drivername: str) -> None:
        store: Any = open_store(stores.settings_for(url))
        assert store._link.dialect.url.drivername == drivername


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
class TestServers:
    def test_nobody_listens(self, scheme: str) -> None:
        store = open_store(stores.settings_for(f"{scheme}://u:se%40cret@127.0.0.1:1/db", timeout_s=1))
        error = error_of(store.ping)
        assert isinstance(error, ConnectionFailed)
        assert 'connection "tests"' in error.message
        assert "u:•••@127.0.0.1" in error.message
        assert "cret" not in error.message + error.hint

    def test_a_secret_among_the_parameters_is_not_shown(self, scheme: str) -> None:
        name = {"postgresql": "sslpassword", "mysql": "ssl_key_password"}[scheme]
        store = open_store(stores.settings_for(f"{scheme}://u@127.0.0.1:1/db?{name}=secret", timeout_s=1))
        error = error_of(store.ping)
        assert isinstance(error, ConnectionFailed)
        assert f"/db?{name}=•••" in error.message
        assert "secret" not in error.message + error.hint

    def test_nobody_answers(self, scheme: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            store = open_store(stores.settings_for(f"{scheme}://u@127.0.0.1:{port}/db", timeout_s=1))
            began = time.monotonic()
            assert isinstance(error_of(lambda: store.push([envelope()])), ConnectionFailed)
            assert time.monotonic() - began < 5


_OWN = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE application_name = 'qcore' AND datname = current_database()",
    "mysql": "SELECT connection_id()",
}
_END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


def cut(store: Any, engine: Engine) -> None:
    """End the store's connections, on the server's side."""
    name = engine.dialect.name
    if name not in _OWN:
        pytest.skip("there is no server")
    ids = store._link.run(lambda connection: connection.exec_driver_sql(_OWN[name]).scalars().all(), begin=())
    with engine.connect() as connection:
        for number in ids:
            connection.execute(text(_END[name].format(number)))


def test_a_connection_that_died_idle_fails_no_verb(store: Any, engine: Engine) -> None:
    job = envelope()
    store.push([envelope()])
    cut(store, engine)
    assert list(store.push([job])) == [job.id]
    cut(store, engine)
    leases = FakeWorker(store).reserve(2)
    cut(store, engine)
    assert not store.settle([completed(lease) for lease in leases])
    cut(store, engine)
    assert store.counts()[0].completed == 2


def test_a_listener_that_died_is_replaced(store: Any, engine: Engine) -> None:
    assert not store.wait(["default"], 0.01)
    cut(store, engine)
    job = envelope()
    timer = threading.Timer(0.2, lambda: store.push([job]))
    timer.start()
    began = time.monotonic()
    assert store.wait(["default"], 10)
    timer.join()
    assert time.monotonic() - began < 1.5


def test_a_server_that_falls_silent_is_given_up(make_store: MakeStore, engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("its library sees to that, or there is no server")
    store = make_store(timeout_s=0.5)
    store.push([envelope()])
    (pid,) = store._link.run(
        lambda connection: connection.exec_driver_sql("SELECT pg_backend_pid()").scalars().all(), begin=()
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        error = error_of(lambda: store.push([envelope()]))
        assert time.monotonic() - began < 3
        assert "silent" in error.message
        assert store.push([envelope()])  # through another connection
    finally:
        os.kill(pid, signal.SIGCONT)
    assert store.counts()[0].pending >= 2


def test_a_lock_that_lasts_is_given_up(make_store: MakeStore, engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("told above")
    store = make_store(timeout_s=1)
    store.push([envelope()])
    lease = FakeWorker(store).reserve_one()
    with engine.begin() as other:
        other.execute(text("SELECT id FROM jobs FOR UPDATE"))
        began = time.monotonic()
        assert isinstance(error_of(lambda: store.settle([completed(lease)])), ConnectionFailed)
        assert time.monotonic() - began < 4
    assert not store.settle([completed(lease)])


def test_a_transaction_of_another_database_is_refused(store: Any, engine: Engine, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    other = "sqlite://" if engine.dialect.name != "sqlite" else "postgresql+psycopg://u@127.0.0.1:1/db"
    foreign = create_engine(other)
    if engine.dialect.name == "sqlite":
        assert isinstance(error_of(lambda: store.push([envelope()], within="no transaction")), ConfigurationError)
        return
    with foreign.connect() as connection:
        assert isinstance(error_of(lambda: store.push([envelope()], within=connection)), ConfigurationError)


def test_settles_that_meet_from_both_ends_all_succeed(make_store: MakeStore) -> None:
    """Cancels and settlements lock the same jobs in other orders; what collides is repeated unseen."""
    store, other = make_store(), make_store()
    for _ in range(5):
        jobs = [envelope(queue) for queue in ("a", "b") for _ in range(40)]
        store.push(jobs)
        leases = FakeWorker(store, "a", "b").reserve(80)
        failures: list[BaseException] = []

        def guarded(verb: Callable[[], Any], failures: list[BaseException] = failures) -> None:
            try:
                verb()
            except BaseException as error:  # noqa: BLE001  told below
                failures.append(error)

        settlements = [completed(lease) for lease in leases]
        verbs: list[Callable[[], Any]] = [
            lambda leases=leases: other.cancel([lease.id for lease in reversed(leases)]),
            lambda settlements=settlements: store.settle(settlements[::-1]),
            lambda settlements=settlements: other.settle(settlements),
            lambda leases=leases: other.heartbeat(leases[0].token.rpartition("/")[0], leases),
        ]
        threads = [threading.Thread(target=guarded, args=(verb,)) for verb in verbs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
    assert sum(found.completed for found in store.counts()) == 400
