"""Real processes on real stores: what becomes of jobs when workers die, stop, pause, reload, hang or grow."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from queue import Empty

import psutil
import pytest
import tree_jobs as jobs
from fakes.store import fresh_url
from trees import Store, Tree, until

from qcore import QueueManager, dispatch_many
from qcore.config import load_settings

pytestmark = pytest.mark.slow

Start = Callable[..., Tree]
TICKER = """
import threading, time
from tree_jobs import LOCK

def tick():
    while True:
        with LOCK:
            time.sleep(0.05)

threading.Thread(target=tick, name="ticker", daemon=True).start()
"""
HANGS = """
import time
from pathlib import Path
from qcore.worker import Worker, children, watch

watch.SERVES_WITHIN_S = 1.0
children.QUICK_S = 0.5
run = Worker.run

def hang_twice(self):
    for name in ("hung", "hung_again"):
        if not Path(name).exists():
            Path(name).touch()
            time.sleep(60)
    return run(self)

Worker.run = hang_twice
"""
SCARCE = """
import errno, os
from pathlib import Path

fork = os.fork

def fork_where_there_is_room():
    if Path("full").exists():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()

os.fork = fork_where_there_is_room
"""
UNTOLD = "from qcore.worker import spawning\n\nspawning.is_told_of_death = False\n"
ONE = (
    '"""One."""\n\nfrom qcore import Job\n\n\nclass Version(Job):\n    def handle(self) -> str:\n        return "one"\n'
)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path)


def opened(url: str) -> Iterator[Store]:
    from qcore import dispatcher

    manager = QueueManager(load_settings({"url": url}, environ={}))
    before = manager.install()
    yield Store(manager)
    manager.close()
    dispatcher.install(before)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    yield from opened(url)


@pytest.fixture
def any_store(store_url: str) -> Iterator[Store]:
    yield from opened(store_url)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `qctl work` with these words, and wait until it serves."""
    with ExitStack() as trees:

        def start_one(store: Store, *words: str, serves: int = 1, **env: str) -> Tree:
            url = store.manager.settings.connection().url
            tree = trees.enter_context(closing(Tree(tmp_path, url, "work", *words, **env)))
            for _ in range(serves):
                tree.await_event("started")
            return tree

        yield start_one


def held(folder: Path, name: str = "held") -> str:
    """Dispatch a job that runs until `let_go`; its id."""
    return jobs.Holds.dispatch(str(folder), name)  # type: ignore[return-value]  # it is not unique


def began(folder: Path, name: str = "held") -> None:
    until((folder / f"{name}.began").exists)


def let_go(folder: Path, name: str = "held") -> None:
    (folder / f"{name}.go").touch()


# -- death ---------------------------------------------------------------------------------------------------------


def test_a_child_that_is_killed_loses_nothing(any_store: Store, start: Start, tmp_path: Path) -> None:
    holds = jobs.Holds(str(tmp_path))
    dispatch_many([*(jobs.Quick() for _ in range(200)), holds, *(jobs.Quick() for _ in range(100))])
    tree = start(any_store)
    assert not [told for told in tree.heard if "threads run" in told.get("text", "")], "no store leaves a thread behind"
    began(tmp_path)
    assert any_store.count("processing") > 1, "jobs were prefetched behind the one that runs"
    [child] = tree.children()
    killed_at = time.monotonic()
    child.kill()
    tree.await_event("trouble", text=f"worker process {child.pid} was ended by signal 9 (SIGKILL)")
    tree.await_event("started")
    assert time.monotonic() - killed_at < 1.0
    until(lambda: any_store.count("completed") == 301)
    done = any_store.jobs("completed")
    assert len({job.id for job in done}) == 301
    [charged] = [job for job in done if job.attempts != 1]
    assert (charged.name, charged.attempts, charged.crashes) == ("Holds", 2, 1)
    told = any_store.job(charged.id)
    [failure] = told.failures
    assert failure.kind == "qcore.errors.WorkerCrashed"
    assert failure.text == "the worker process was ended by signal 9 (SIGKILL)"
    assert told.result == "attempt 2"


def test_children_die_with_their_supervisor(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--processes", "3", serves=3)
    held(tmp_path)
    began(tmp_path)
    children = tree.children()
    assert len(children) == 3
    tree.process.kill()
    _, alive = psutil.wait_procs(children, timeout=2)
    assert alive == []


def test_a_child_that_dies_at_once_again_and_again_is_restarted_with_growing_pauses(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "stillborn.py").write_text("import os\nos.register_at_fork(after_in_child=lambda: os._exit(3))\n")
    tree = start(store, "--app", "stillborn", serves=0)
    for pause in ("", "; the next one comes in 0.5 s", "; the next one comes in 1 s", "; the next one comes in 2 s"):
        told = tree.await_event("trouble", text="exited with code 3")
        assert told["text"].endswith(f"exited with code 3{pause}")
    tree.send(signal.SIGTERM)
    assert tree.end() == 0


def test_a_crash_in_a_job_is_no_reason_to_pause(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store)
    for name in ("first", "second", "third"):
        job_id = held(tmp_path, name)
        began(tmp_path, name)
        killed_at = time.monotonic()
        tree.children()[0].kill()
        tree.await_event("started")
        assert time.monotonic() - killed_at < 1.0
        tree.await_event("ended", id=job_id, outcome="completed")


@pytest.mark.parametrize("code", [0, 12])
def test_a_job_that_ends_its_process_in_order_is_charged_all_the_same(code: int, store: Store, start: Start) -> None:
    tree = start(store, "--processes", "2", serves=2)
    for _ in range(3):
        job_id = str(jobs.Leaves.dispatch(code))
        tree.await_event("trouble", text=f"exited with code {code}")
        tree.await_event("started")
        job = store.ended(job_id)
        assert (job.state.value, job.attempts, job.crashes) == ("failed", 1, 1)
        assert job.failures[0].text == f"the worker process exited with code {code}"
        assert len(tree.children()) == 2
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"


def test_a_child_that_does_not_begin_to_serve_is_replaced_with_growing_pauses(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    tree = start(store, "--app", "hangs", serves=0)
    tree.await_event("trouble", text="is ended: it did not begin to serve within 1 s")
    tree.await_event("trouble", text="is ended: it did not begin to serve within 1 s")
    tree.await_event("trouble", text="was ended by signal 9 (SIGKILL); the next one comes in 0.5 s")
    tree.await_event("started")
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"


def test_a_system_without_room_for_processes_keeps_those_there_are(store: Store, start: Start, tmp_path: Path) -> None:
    (tmp_path / "scarce.py").write_text(SCARCE)
    tree = start(store, "--app", "scarce", "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    [busy] = until(lambda: [worker.pid for worker in store.workers() if worker.running])
    [idle] = [child for child in tree.children() if child.pid != busy]
    (tmp_path / "full").touch()
    idle.kill()
    for pause in ("0.5", "1"):
        told = tree.await_event("trouble", text="no worker process could be made: Resource temporarily unavailable")
        assert told["text"].endswith(f"; the next try comes in {pause} s")
    (tmp_path / "full").unlink()
    tree.await_event("started")
    let_go(tmp_path)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)


# -- processes that are not forked ---------------------------------------------------------------------------------


def test_where_threads_run_since_the_import_children_are_started_afresh(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "ticks.py").write_text(TICKER)
    tree = start(store, "--app", "ticks", "--processes", "2", serves=0)
    tree.await_event("trouble", text="threads run since modules were imported (ticker): ")
    for _ in range(2):
        tree.await_event("started")
    locked = [str(jobs.Locked.dispatch()) for _ in range(4)]
    assert [store.ended(job_id).result for job_id in locked] == ["had the lock"] * 4
    running = held(tmp_path)
    began(tmp_path)
    for child in tree.children():
        child.kill()
    for _ in range(2):
        tree.await_event("started")
    assert (store.ended(running).attempts, store.ended(running).crashes) == (2, 1)
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    for _ in range(2):
        tree.await_event("started")
    children = until(lambda: found if len(found := tree.children()) == 2 else None)
    held(tmp_path, "another")
    began(tmp_path, "another")
    tree.process.kill()
    assert psutil.wait_procs(children, timeout=2)[1] == []


@pytest.mark.parametrize("threads", ["", TICKER], ids=["forked", "started"])
def test_where_the_kernel_tells_no_death_a_pipe_does(threads: str, store: Store, start: Start, tmp_path: Path) -> None:
    (tmp_path / "untold.py").write_text(UNTOLD + threads)
    tree = start(store, "--app", "untold", "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGHUP)  # a supervisor that becomes a new one has not died
    for _ in range(2):
        tree.await_event("started")
    let_go(tmp_path)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)
    children = until(lambda: found if len(found := tree.children()) == 2 else None)
    held(tmp_path, "another")
    began(tmp_path, "another")
    tree.process.kill()
    assert psutil.wait_procs(children, timeout=2)[1] == []


# -- stop ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_jobs_end(number: signal.Signals, store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(number)
    tree.await_event("stopped")  # the one that had nothing to do
    waiting = jobs.Quick.dispatch()
    let_go(tmp_path)
    assert tree.end() == 0
    assert (store.job(running).state.value, store.job(running).attempts) == ("completed", 1)
    assert store.job(str(waiting)).state.value == "pending"
    assert store.workers() == []


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)])
def test_a_hard_stop_releases_running_jobs_uncharged(
    numbers: tuple[signal.Signals, ...], store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    for number in numbers:
        tree.send(number)
        time.sleep(0.1)  # two signals of a kind at the same time are one
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes, job.failures) == ("pending", 0, 0, ())


def test_what_outlasts_the_grace_is_released_uncharged(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--grace", "200ms")
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert (store.job(running).state.value, store.job(running).attempts) == ("pending", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_the_whole_group_is_one_stop(
    number: signal.Signals, store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGSTOP)
    tree.send_all(number)
    time.sleep(0.1)  # children hear it before their supervisor does
    tree.send(signal.SIGCONT)
    tree.await_event("stopped")
    let_go(tmp_path)
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes) == ("completed", 1, 0)
    assert store.workers() == []


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)])
def test_a_hard_stop_of_the_whole_group_releases_running_jobs_uncharged(
    numbers: tuple[signal.Signals, ...], store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store)
    running = held(tmp_path)
    began(tmp_path)
    for number in numbers:
        tree.send_all(number)
        time.sleep(0.1)
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes, job.failures) == ("pending", 0, 0, ())


def test_a_child_that_somebody_stops_lets_its_job_end_however_often_it_is_told(
    store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store)
    running = held(tmp_path)
    began(tmp_path)
    [child] = tree.children()
    for _ in range(3):
        child.terminate()
        time.sleep(0.1)
    let_go(tmp_path)
    assert tree.end() == 0, "its place stays empty"
    assert (store.job(running).state.value, store.job(running).attempts) == ("completed", 1)


# -- pause ---------------------------------------------------------------------------------------------------------


def test_a_paused_tree_takes_no_jobs_until_it_goes_on(store: Store, start: Start) -> None:
    tree = start(store, "--processes", "2", serves=2)
    tree.send(signal.SIGUSR2)
    until(lambda: [worker.state for worker in store.workers()] == ["paused", "paused"])
    job_id = jobs.Quick.dispatch()
    tree.children()[0].kill()
    tree.await_event("started")  # its successor is paused from the start
    until(lambda: [worker.state for worker in store.workers()] == ["paused", "paused"])
    time.sleep(0.3)
    assert store.count("pending") == 1
    tree.send(signal.SIGCONT)
    tree.await_event("ended", id=job_id, outcome="completed")


# -- reload --------------------------------------------------------------------------------------------------------


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
    assert psutil.wait_procs(below, timeout=5)[1] == []


def test_the_watcher_ends_with_its_supervisor(store: Store, start: Start, fresh: Path) -> None:
    pytest.importorskip("watchfiles")
    tree = start(store, "--app", "fresh", "--reload")
    below = until(lambda: children if len(children := tree.children()) == 2 else None)
    tree.process.kill()
    assert psutil.wait_procs(below, timeout=5)[1] == []


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


# -- judgement -----------------------------------------------------------------------------------------------------


def test_a_job_that_is_deaf_to_its_timeout_is_ended_and_charged(store: Store, start: Start) -> None:
    tree = start(store)
    job_id = str(jobs.Deaf.dispatch())
    tree.await_event("trouble", text="did not heed its timeout")
    job = store.ended(job_id)
    assert job.state.value == "failed"
    assert (job.attempts, job.crashes) == (1, 1)
    assert job.failures[0].kind == "qcore.errors.JobTimeout"
    assert job.failures[0].text.startswith("the attempt did not end within 2.")


def test_a_job_that_must_not_time_out_is_not_tried_again(store: Store, start: Start) -> None:
    start(store)
    job_id = str(jobs.DeafAndFinal.dispatch(5))
    job = store.ended(job_id)
    assert (job.state.value, job.attempts) == ("failed", 1)
    assert job.failures[-1].kind == "qcore.errors.JobTimeout"


def test_only_the_late_job_of_a_child_is_charged(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--threads", "3")
    other = held(tmp_path)
    began(tmp_path)
    late = str(jobs.Deaf.dispatch())
    tree.await_event("trouble", text="did not heed its timeout")
    let_go(tmp_path)
    assert (store.ended(late).attempts, store.ended(late).crashes) == (1, 1)
    assert (store.ended(other).attempts, store.ended(other).crashes) == (1, 0)


def test_a_child_above_its_memory_is_recycled_between_jobs(store: Store, start: Start) -> None:
    tree = start(store, "--memory", "1")
    before = tree.children()[0].pid
    jobs.Quick.dispatch()
    tree.await_event("stopped", reason="memory")
    tree.await_event("started")
    assert [child.pid != before for child in tree.children()] == [True]
    job_id = jobs.Quick.dispatch()
    tree.await_event("ended", id=job_id, outcome="completed")


def test_a_job_that_outgrows_the_memory_is_ended_and_charged(store: Store, start: Start) -> None:
    tree = start(store, "--memory-hard", "200")
    job_id = str(jobs.Grows.dispatch(400))
    tree.await_event("trouble", text="the process outgrew its memory")
    job = store.ended(job_id)
    assert job.state.value == "failed"
    assert (job.attempts, job.crashes) == (1, 1)
    assert job.failures[0].text.startswith("the process outgrew its memory: ")


def test_a_job_that_is_deaf_to_a_stop_is_ended_uncharged(store: Store, start: Start) -> None:
    tree = start(store, "--grace", "100ms", "--timeout", "0")
    job_id = str(jobs.DeafForEver.dispatch())
    until(lambda: store.job(job_id).state.value == "processing")
    tree.send(signal.SIGTERM)
    tree.await_event("trouble", text="it did not stop in time")
    assert tree.end() == 0
    assert (store.job(job_id).state.value, store.job(job_id).attempts) == ("pending", 0)
