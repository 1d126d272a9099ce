"""Real processes on a store that is away: who begins beside others that serve waits for it, and does not leave."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import tree_jobs as jobs
from fakes.store import own_server
from gates import Start
from servers.base import Server
from trees import Store, Tree, until

pytestmark = [pytest.mark.slow, pytest.mark.server]

THREAD = "import threading\n\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
LINGERS = """
import os, time
from pathlib import Path

if "QCTL_SUPERVISOR_STATE" in os.environ:
    Path("reloads").touch()
    while not Path("may_go_on").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with own_server("redis") as server:
        yield server


@pytest.fixture
def url(server: Server) -> str:
    return server.url


def test_a_child_in_a_fresh_interpreter_waits_for_its_store(
    server: Server, store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "threaded.py").write_text(THREAD)
    tree = start(store, "--app", "threaded")
    [child] = tree.children()
    server.stop()
    child.kill()
    tree.await_event("started")
    server.start()
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"
    assert not [told for told in tree.heard if "exited with code" in told.get("text", "")]


def test_a_supervisor_whose_store_goes_while_it_reloads_stays(
    server: Server, store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "lingers.py").write_text(LINGERS)
    tree = start(store, "--app", "lingers")
    tree.send(signal.SIGHUP)
    until((tmp_path / "reloads").exists)
    server.stop()
    (tmp_path / "may_go_on").touch()
    tree.await_event("started")
    server.start()
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"
    assert tree.process.poll() is None


def test_who_is_started_by_hand_leaves_where_the_store_is_away(server: Server, tmp_path: Path) -> None:
    server.stop()
    with closing(Tree(tmp_path, server.url, "work")) as tree:
        assert tree.end() == 4
