"""Real processes on real stores: new code under the same pid, and the jobs that run meanwhile."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Empty

import psutil
import pytest
import tree_jobs as jobs
from gates import Start, began, held, let_go
from trees import Store, Tree, all_end, until

from qcore.monitor.actions import Actions

pytestmark = pytest.mark.slow

ONE = (
    '"""One."""\n\nfrom qcore import Job\n\n\nclass Version(Job):\n    def handle(self) -> str:\n        return "one"\n'
)

SLOW = """import os, time
from pathlib import Path

if "QCTL_SUPERVISOR_TRIAL" not in os.environ:
    Path("importing").touch()
    while not Path("imported").exists():
        time.sleep(0.01)

"""


def version(store: Store, folder: Path) -> str:
    """Dispatch the job of the user's module."""
    sys.path.insert(0, str(folder))
    try:
        from fresh import Version  # type: ignore[import-not-found]  # the test writes it
    finally:
        sys.path.remove(str(folder))
    return str(Version.dispatch())


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A user's module, to be changed."""
    path = tmp_path / "fresh.py"
    path.write_text(ONE)
    yield path
    sys.modules.pop("fresh", None)


def test_hup_runs_new_code_under_the_same_pid_while_old_children_end(
    store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    tree = start(store, "--app", "fresh")
    first = version(store, tmp_path)
    assert store.ended(first).result == "one"
    running = held(tmp_path)
    began(tmp_path)
    [old] = tree.children()
    fresh.write_text(ONE.replace('return "one"', 'return "number two"'))
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    tree.await_event("started")
    second = version(store, tmp_path)
    assert store.ended(second).result == "number two"
    assert old.is_running()
    let_go(tmp_path)
    tree.await_event("stopped", worker=f":{old.pid}:", reason="signal")
    until(lambda: len(tree.children()) == 1)
    assert tree.children()[0].pid != old.pid
    assert tree.process.poll() is None
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)


def test_hup_to_the_whole_group_is_one_reload(store: Store, start: Start, tmp_path: Path, fresh: Path) -> None:
    tree = start(store, "--app", "fresh")
    running = held(tmp_path)
    began(tmp_path)
    [old] = tree.children()
    tree.send_all(signal.SIGHUP)
    until(lambda: len(tree.children()) == 2)  # the code is tried
    tree.send_all(signal.SIGUSR2)
    tree.send_all(signal.SIGCONT)
    tree.await_event("trouble", text="reloading")
    tree.await_event("started")
    assert old.is_running()
    let_go(tmp_path)
    tree.await_event("stopped", worker=f":{old.pid}:", reason="signal")
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)


def test_an_old_child_that_is_killed_after_a_reload_loses_nothing(
    store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    tree = start(store, "--app", "fresh")
    running = held(tmp_path)
    began(tmp_path)
    [old] = tree.children()
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    tree.await_event("started")
    old.kill()
    job = store.ended(running)
    assert (job.attempts, job.crashes) == (2, 1)
    assert job.failures[0].text == "the worker process was ended by signal 9 (SIGKILL)"


def test_leases_last_however_long_the_new_code_is_imported(
    store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    (tmp_path / "qctl.toml").write_text("[connections.default]\nlease_s = 1.0\n")
    tree = start(store, "--app", "fresh")
    running = held(tmp_path)
    began(tmp_path)
    fresh.write_text(SLOW + ONE)
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    until((tmp_path / "importing").exists)
    over = time.monotonic() + 3.0  # terms of the lease
    until(lambda: time.monotonic() > over or list(store.manager.connection().reclaim()))
    assert time.monotonic() > over, "a lease ran out"
    (tmp_path / "imported").touch()
    tree.await_event("started")
    let_go(tmp_path)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)
    until(lambda: [one.name() for one in psutil.Process(tree.pid).children()].count("qctl-pulse") == 1)


FAILS = """
from qcore.worker import minding

def fail(*_):
    raise RuntimeError("no beat")

minding._beat = fail
"""


@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["", "debug"])
def test_who_beats_during_a_reload_does_not_fail_in_silence(
    debug: tuple[str, ...], store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "fails.py").write_text(FAILS)
    tree = start(store, *debug, "--app", "fails")
    tree.send(signal.SIGHUP)
    told = tree.await_event("trouble", text="the process that beats for the workers during a reload failed")
    assert told["text"].endswith("failed, and leases may run out: RuntimeError: no beat")
    tree.await_event("trouble", text="during a reload exited with code 1 before its time")
    tree.await_event("started")
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert ("Traceback" in tree.process.stderr.read()) == bool(debug)  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize(
    ("code", "reason"), [("def broken(:\n", "SyntaxError"), ("raise RuntimeError('not today')\n", "not today")]
)
def test_code_that_does_not_start_leaves_the_old_in_place(
    code: str, reason: str, store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    tree = start(store, "--app", "fresh")
    [old] = tree.children()
    first = version(store, tmp_path)
    fresh.write_text(code)
    tree.send(signal.SIGHUP)
    told = tree.await_event("trouble", text="not reloaded, the old code goes on: app 'fresh'")
    assert reason in told["text"]
    assert store.ended(first).result == "one"
    assert tree.children() == [old]
    fresh.write_text(ONE)
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")


BREAKS = """import os

if "QCTL_SUPERVISOR_STATE" in os.environ:
    raise RuntimeError("half of it is copied")

"""
OTHER_FORMAT = """from qcore.worker import reload

reload.FORMAT = "another"

"""
GOES_ON = "not reloaded, the old code goes on: "


def broken(tree: Tree, path: Path) -> None:
    """Reload code that breaks between its trial and its turn; returns once the supervisor goes on without it."""
    path.write_text(BREAKS + ONE)
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    told = tree.await_event("trouble", text=GOES_ON)
    assert told["text"] == f"{GOES_ON}app 'fresh': importing it failed: RuntimeError: half of it is copied"


def test_code_that_breaks_after_its_trial_leaves_the_old_in_place(
    store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    (tmp_path / "qctl.toml").write_text("[connections.default]\nlease_s = 1.0\n")
    tree = start(store, "--app", "fresh", "--threads", "2")
    first = version(store, tmp_path)
    running = held(tmp_path)
    began(tmp_path)
    [old] = tree.children()
    broken(tree, fresh)
    over = time.monotonic() + 3.0  # terms of the lease
    until(lambda: time.monotonic() > over or list(store.manager.connection().reclaim()))
    assert time.monotonic() > over, "a lease ran out"
    broken(tree, fresh)  # and once more
    assert tree.children() == [old]
    assert [(worker.pid, worker.state) for worker in store.workers()] == [(old.pid, "running")]
    assert store.ended(version(store, tmp_path)).result == "one"
    fresh.write_text(ONE.replace('return "one"', 'return "number two"'))
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    tree.await_event("started")
    until(lambda: store.ended(version(store, tmp_path)).result == "number two")  # the old one has a free place
    assert old.is_running()
    let_go(tmp_path)
    tree.await_event("stopped", worker=f":{old.pid}:", reason="signal")
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)
    assert store.ended(first).attempts == 1
    until(lambda: len(tree.children()) == 1)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0


def test_who_outlives_new_code_pauses_goes_on_and_is_counted(store: Store, start: Start, fresh: Path) -> None:
    tree = start(store, "--app", "fresh")
    [old] = tree.children()
    broken(tree, fresh)
    tree.send(signal.SIGUSR2)
    until(lambda: [worker.state for worker in store.workers()] == ["paused"])
    tree.send(signal.SIGCONT)
    until(lambda: [worker.state for worker in store.workers()] == ["running"])
    [worker], actions = store.workers(), Actions(store.manager)
    actions.command(worker.supervisor, "grow")
    tree.await_event("trouble", text="not scaled: there is no code to make worker processes with")
    actions.command(worker.id, "restart")
    tree.await_event("trouble", text=f"worker process {old.pid} goes on: there is no code to replace it with")
    actions.command(worker.id, "terminate")
    tree.await_event("stopped", reason="signal")
    assert tree.end() == 5


def test_who_dies_without_new_code_has_no_successor(store: Store, start: Start, tmp_path: Path, fresh: Path) -> None:
    tree = start(store, "--app", "fresh", "--processes", "2", serves=2)
    old = tree.children()
    broken(tree, fresh)
    running = held(tmp_path)
    began(tmp_path)
    busy = next(worker.pid for worker in until(lambda: [one for one in store.workers() if one.running]))
    [victim] = [one for one in old if one.pid == busy]
    victim.kill()
    job = store.ended(running)
    assert (job.state.value, job.attempts, job.crashes) == ("completed", 2, 1)
    [last] = tree.children()
    last.kill()
    assert tree.end() == 5
    said = [told["text"] for told in tree.rest() if told["event"] == "trouble"]
    assert sum("have no successors" in text for text in said) == 1
    assert [text for text in said if "SIGKILL" in text] == [
        f"worker process {one.pid} was ended by signal 9 (SIGKILL)" for one in (victim, last)
    ]
    assert "half of it is copied" in tree.process.stderr.read()  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize("command", ["work", "supervise"])
def test_a_stop_without_new_code_ends_all_in_order(command: str, store: Store, tmp_path: Path, fresh: Path) -> None:
    (tmp_path / "qctl.toml").write_text('[supervisors.default]\nqueues = "default"\n')
    url = store.manager.settings.connection().url
    with closing(Tree(tmp_path, url, command, "--app", "fresh")) as tree:
        tree.await_event("started")
        running = held(tmp_path)
        began(tmp_path)
        broken(tree, fresh)
        below = tree.children()
        tree.send(signal.SIGTERM)
        until(lambda: [worker.state for worker in store.workers()] == ["stopping"])
        let_go(tmp_path)
        assert tree.end() == 0
        assert all_end(below, within_s=5)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)
    assert store.workers() == []


def test_changed_code_is_tried_again_where_it_broke_after_its_trial(store: Store, start: Start, fresh: Path) -> None:
    pytest.importorskip("watchfiles")
    tree = start(store, "--app", "fresh", "--reload")
    broken(tree, fresh)
    until(lambda: rewritten_and_noticed(tree, fresh, "number two"))


def test_a_package_of_another_format_leaves_the_old_in_place(
    store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    tree = start(store, "--app", "fresh")
    [old] = tree.children()
    first = version(store, tmp_path)
    fresh.write_text(OTHER_FORMAT + ONE)
    tree.send(signal.SIGHUP)
    told = tree.await_event("trouble", text=GOES_ON)
    assert told["text"].startswith(f"{GOES_ON}the package has changed too much to take over workers that run")
    assert "(format another, theirs is " in told["text"]
    assert store.ended(first).result == "one"
    assert tree.children() == [old]


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.2])
def test_a_stop_in_the_middle_of_a_reload_is_heard(
    pause_s: float, store: Store, start: Start, tmp_path: Path, fresh: Path
) -> None:
    tree = start(store, "--app", "fresh")
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    time.sleep(pause_s)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0


def test_a_pause_outlives_a_reload(store: Store, start: Start, fresh: Path) -> None:
    tree = start(store, "--app", "fresh")
    tree.send(signal.SIGUSR2)
    until(lambda: [worker.state for worker in store.workers()] == ["paused"])
    tree.send(signal.SIGHUP)
    tree.await_event("started")
    until(lambda: [worker.state for worker in store.workers()] == ["paused"])
    job_id = jobs.Quick.dispatch()
    time.sleep(0.3)
    assert store.count("pending") == 1
    tree.send(signal.SIGCONT)
    tree.await_event("ended", id=job_id)


def test_changed_code_is_reloaded_by_itself(store: Store, start: Start, tmp_path: Path, fresh: Path) -> None:
    pytest.importorskip("watchfiles")
    tree = start(store, "--app", "fresh", "--reload")
    until(lambda: rewritten_and_noticed(tree, fresh, "number two"))
    until(lambda: store.ended(version(store, tmp_path)).result == "number two")  # the old ones end first
    until(lambda: len(tree.children()) == 2)  # a worker and the watcher, which a reload does not end
    fresh.write_text(ONE.replace('return "one"', 'return "number three"'))
    until(lambda: store.ended(version(store, tmp_path)).result == "number three")
    until(lambda: len(tree.children()) == 2)
    below = tree.children()
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert all_end(below, within_s=5)


def test_the_watcher_ends_with_its_supervisor(store: Store, start: Start, fresh: Path) -> None:
    pytest.importorskip("watchfiles")
    tree = start(store, "--app", "fresh", "--reload")
    below = until(lambda: children if len(children := tree.children()) == 2 else None)
    tree.process.kill()
    assert all_end(below, within_s=5)


def test_a_watcher_that_dies_has_a_successor(store: Store, start: Start, fresh: Path) -> None:
    pytest.importorskip("watchfiles")
    tree = start(store, "--app", "fresh", "--reload")
    [watcher] = until(lambda: [one for one in tree.children() if "qcore.worker.codewatch" in one.cmdline()])
    watcher.kill()
    tree.await_event("trouble", text="the process that watches the code was ended by signal 9 (SIGKILL)")
    until(lambda: rewritten_and_noticed(tree, fresh, "number two"))


def rewritten_and_noticed(tree: Tree, path: Path, word: str) -> bool:
    """Change the code, until the watcher, which takes a moment to begin, has noticed."""
    path.write_text(ONE.replace('return "one"', f'return "{word}"') + f"# {time.monotonic()}\n")
    try:
        tree.await_event("trouble", within_s=1.0, text="reloading")
    except Empty:
        return False
    tree.await_event("started")
    return True
