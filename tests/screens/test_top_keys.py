"""The keys of `qctl top`: what is pressed is done, on made-up looks and on a real store with real workers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from canned import several
from driving import Live, settled, text_of
from screen_jobs import Fails, Sleeps, Works
from textual.widgets import Button, Input

from qcore import QueueManager, dispatch_many
from qcore.monitor import Monitor
from qcore.monitor.actions import Actions
from qcore.monitor.alerts import Watcher
from qcore.testing import WorkerTester
from qctl.screens import dialogs
from qctl.screens.dialogs import Choose, Confirm
from qctl.screens.grid import Grid
from qctl.screens.keys import KEYS
from qctl.screens.recording import Recorder, Replay
from qctl.screens.top.acting import Deeds

HERE = Path(__file__).parent


@pytest.fixture
def live(top: Any, manager: QueueManager) -> Callable[..., Any]:
    """Runs `qctl top` on a real store."""

    def run(**more: Any) -> Any:
        deeds = Deeds(Actions(manager), protected=more.pop("protected", ()))
        find = Monitor(manager).job
        return top(Live(manager), (120, 40), deeds=deeds, find_job=find, every_s=0.05, **more)

    return run


async def until(holds: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: it did not come"
        await asyncio.sleep(0.02)


def grid(app: Any) -> Grid:
    return app.screen_stack[0].query_one("#list", Grid)


async def confirmed(app: Any, pilot: Any) -> None:
    """Say yes to the question, once it listens."""
    await until(lambda: isinstance(app.screen, Confirm), "a question")
    await pilot.press("y")


@pytest.mark.parametrize("panel", "123456")
async def test_no_key_breaks_anything(top: Any, panel: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    keys = [key for one in KEYS for key in one.keys.split(",") if one.action not in {"leave", "command_palette"}]
    async with top(several(3), deeds=Deeds(None)) as (app, pilot):
        for key in keys:
            await pilot.press(panel, key)
            await pilot.pause()
            await pilot.press("escape", "escape")
            assert len(app.screen_stack) == 1, f"{key} left something open"
            assert app.return_code is None, f"{key} ended it"


async def test_sorting(top: Any) -> None:
    async with top(several()) as (app, pilot):
        assert [row.key for row in grid(app).rows] == ["low", "reports", "emails", "high"]
        await pilot.press("I")
        assert [row.key for row in grid(app).rows] == ["high", "emails", "reports", "low"]
        await pilot.press("s")
        assert grid(app).sort_key == "rate"
        await pilot.press("less_than_sign", "less_than_sign")
        assert grid(app).sort_key == "failed"
        await pilot.click("#list", offset=(3, 0))
        assert grid(app).sort_key == "queue"


async def test_the_cursor_follows_its_row_or_stays(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("j", "j")
        assert grid(app).key == "emails"
        await pilot.press("I")
        assert grid(app).key == "emails"
        await pilot.press("F", "I")
        assert grid(app).key == "reports"
        await pilot.press("end", "k", "home")
        assert grid(app).key == "low"


async def test_filter_and_find(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("slash", *"EMA", "enter")
        assert [row.key for row in grid(app).rows] == ["emails"]
        assert "filter: EMA" in text_of(app)
        await pilot.press("escape")
        assert len(grid(app).rows) == 4
        await pilot.press("f", *"high", "enter")
        assert (grid(app).key, len(grid(app).rows)) == ("high", 4)
        await pilot.press("f", *"nobody", "enter", "n")
        await settled(pilot)
        assert "no row holds" in text_of(app)


async def test_a_filter_looks_for_more_than_the_newest(live: Callable[..., Any], manager: QueueManager) -> None:
    """What failed before 300 others is found; without a filter the newest are listed."""
    old = Fails().on_queue("early")
    (old_id,) = dispatch_many([old])
    dispatch_many([Fails() for _ in range(300)])
    WorkerTester(manager).work("early", "mail", surface=False)
    async with live() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(grid(app).rows) == 200, "the newest")
        assert old_id not in [row.key for row in grid(app).rows]
        await pilot.press("slash", *"nobody|EARLY", "enter")
        await until(lambda: [row.key for row in grid(app).rows] == [old_id], "the old one")
        await pilot.press("slash", *"s3cret", "enter")
        await until(lambda: not grid(app).rows and "0 of jobs match" in text_of(app), "none")
        await pilot.press("escape")
        await until(lambda: len(grid(app).rows) == 200, "the newest again")


async def test_words_are_letters_while_somebody_types(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("slash", *"qzp1")
        assert app.query_one("#words", Input).value == "qzp1"
        await pilot.press("escape")
        assert not app.query_one("#words").display


async def test_freezing(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("z")
        await settled(pilot)
        assert "FROZEN" in text_of(app)
        await pilot.press("z")
        await settled(pilot)
        assert "LIVE" in text_of(app)


async def test_interval(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("plus", "plus")
        assert app._feed.every_s == 5.0
        await pilot.press("minus")
        assert app._feed.every_s == 2.0


async def test_tagging(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("space", "space")
        assert grid(app).chosen() == ["low", "reports"]
        assert "2 tagged" in text_of(app)
        await pilot.press("A")
        assert len(grid(app).chosen()) == 4
        await pilot.press("U")
        assert grid(app).tags == set()


async def test_the_tree(top: Any) -> None:
    async with top(several(), (120, 40)) as (app, pilot):
        await pilot.press("2")
        assert [row.depth for row in grid(app).rows][:4] == [0, 1, 2, 3]
        await pilot.press("o")
        assert {row.depth for row in grid(app).rows} == {0, 1}
        await pilot.press("t")
        assert len(grid(app).rows) == 5
        assert {row.depth for row in grid(app).rows} == {0}


async def test_copying_and_exporting(top: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    async with top(several()) as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == "low"
        await pilot.press("e")
        (file,) = tmp_path.glob("qctl-queues-*.csv")  # noqa: ASYNC240  nothing else waits
        assert file.read_text().splitlines()[0].startswith("QUEUE,STATE,PEND")
        assert len(file.read_text().splitlines()) == 5
        await pilot.press("E")
        (file,) = tmp_path.glob("qctl-queues-*.json")  # noqa: ASYNC240  nothing else waits
        assert [row["queue"] for row in json.loads(file.read_text())] == ["low", "reports", "emails", "high"]


async def test_a_list_has_the_whole_screen(top: Any) -> None:
    async with top(several(), (120, 40)) as (app, pilot):
        assert "Workers" in text_of(app).splitlines()[2]
        await pilot.press("m")
        await settled(pilot)
        assert text_of(app).splitlines()[0].startswith("  1 Queues")
        assert not app.query_one("#below").display
        await pilot.press("m")
        await settled(pilot)
        assert app.query_one("#below").display


async def test_help_of_who_only_looks_on_tells_of_no_commands(top: Any) -> None:
    for deeds, is_told in ((None, False), (Deeds(None), True)):
        async with top(several(), (120, 40), deeds=deeds) as (app, pilot):
            page = keys_of(app)
            assert "Tab" in page
            await pilot.press("question_mark")
            await settled(pilot)
            app.screen.query_one("VerticalScroll").scroll_end(animate=False)
            await settled(pilot)
            assert ("Each action shows" in text_of(app)) == is_told


def keys_of(app: Any) -> set[str]:
    """The keys that help shows."""
    return {key.shown for key in app.keys if key.help}


async def test_read_only_has_no_keys_that_act(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("X", "p", "R")
        await settled(pilot)
        assert len(app.screen_stack) == 1
        assert " RO " in text_of(app)
        assert "Clear" not in text_of(app)


async def test_events_come_as_they_happen(live: Any, manager: QueueManager) -> None:
    Works.dispatch()
    async with live() as (app, pilot):
        await pilot.press("6")
        await until(lambda: len(grid(app).rows) == 1, "the dispatch is told")
        WorkerTester(manager).work("mail", surface=False)
        await until(lambda: len(grid(app).rows) == 3, "start and end are told")
        assert [row.cells["event"].text[2:] for row in grid(app).rows] == ["completed", "started", "dispatched"]
        await pilot.press("home", "enter")
        await until(lambda: len(app.screen_stack) == 2, "the page of the job")


async def test_a_queue_is_paused_and_goes_on(live: Any, manager: QueueManager) -> None:
    Works.dispatch()
    async with live() as (app, pilot):
        await until(lambda: grid(app).rows, "the queue")
        await pilot.press("p")
        await until(lambda: manager.connection().counts()[0].paused, "the pause")
        await until(lambda: "qctl pause mail" in text_of(app), "the command that does the same")
        await until(lambda: "paused" in grid(app).rows[0].text(), "that it is seen")
        await pilot.press("Y")
        assert app.clipboard == "qctl pause mail"
        await pilot.press("p")
        await until(lambda: not manager.connection().counts()[0].paused, "the end of the pause")
        await pilot.press("P", *"10m deploy", "enter")
        await until(lambda: manager.connection().counts()[0].pause_reason == "deploy", "the reason")


async def test_what_destroys_is_asked_for_and_cancel_has_the_focus(live: Any) -> None:
    dispatch_many([Works() for _ in range(5)])
    async with live() as (app, pilot):
        await until(lambda: grid(app).rows, "the queue")
        await pilot.press("X", "X")
        await until(lambda: isinstance(app.screen, Confirm), "a question")
        assert isinstance(app.focused, Button)
        assert app.focused.id == "cancel"
        assert "Drop 5 waiting jobs of queue mail?" in text_of(app)
        assert "$ qctl clear mail" in text_of(app)
        await pilot.press("enter")
        await settled(pilot)
        assert QueueManager.size("mail") == 5
        await pilot.press("X")
        await confirmed(app, pilot)
        await until(lambda: QueueManager.size("mail") == 0, "that they are dropped")


async def test_a_key_that_is_pressed_twice_means_it_once(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogs, "_DEAF_S", 3600.0)
    Works.dispatch()
    async with live() as (app, pilot):
        await until(lambda: grid(app).rows, "the queue")
        await pilot.press("X")
        await until(lambda: isinstance(app.screen, Confirm), "a question")
        await pilot.press("y", "y")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        assert QueueManager.size("mail") == 1


async def test_a_protected_queue_wants_its_name(live: Any) -> None:
    Works.dispatch()
    async with live(protected=("mail",)) as (app, pilot):
        await until(lambda: grid(app).rows, "the queue")
        await pilot.press("X")
        await until(lambda: isinstance(app.screen, Confirm), "a question")
        await pilot.press("enter")
        assert QueueManager.size("mail") == 1
        await pilot.press(*"mail", "enter")
        await until(lambda: QueueManager.size("mail") == 0, "that it is dropped")


async def test_failed_jobs_are_opened_retried_and_dropped(live: Any, manager: QueueManager) -> None:
    ids = [str(job_id) for job_id in dispatch_many([Fails() for _ in range(3)])]
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(grid(app).rows) == 3, "the failed ones")
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2 and "no such address" in text_of(app), "the page of one")
        await pilot.press("escape")
        chosen = grid(app).key
        await pilot.press("r")
        await until(lambda: len(grid(app).rows) == 2, "that one is put back")
        assert QueueManager.size("mail") == 1
        assert manager.connection().find(chosen).state == "pending"
        await pilot.press("D")
        await confirmed(app, pilot)
        await until(lambda: len(grid(app).rows) == 1, "that one is dropped")
        await pilot.press("R")
        await until(lambda: not grid(app).rows, "that the last is put back")
    assert len(ids) == 3


async def test_one_trouble_is_one_row_and_retried_as_one(live: Any, manager: QueueManager) -> None:
    dispatch_many([Fails(), Fails(), Fails(), Fails("otherwise")])
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(grid(app).rows) == 4, "the failed ones")
        await pilot.press("v")
        await until(lambda: len(grid(app).rows) == 2, "a row for each trouble")
        assert sorted(row.cells["same"].text for row in grid(app).rows) == ["", "x3"]
        await pilot.press("f", *"no such", "enter")
        assert grid(app).row.cells["same"].text == "x3"
        await pilot.press("r")
        await confirmed(app, pilot)
        await until(lambda: [row.cells["same"].text for row in grid(app).rows] == [""], "that the three are put back")
        assert QueueManager.size("mail") == 3
        await pilot.press("v", "r")
        await until(lambda: QueueManager.size("mail") == 4, "one by itself needs no question")


async def test_a_menu_does_what_its_keys_do(live: Any, manager: QueueManager) -> None:
    dispatch_many([Fails(), Fails()])
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(grid(app).rows) == 2, "the failed ones")
        await pilot.press("A", "b")
        await until(lambda: isinstance(app.screen, Choose) and "Put the failed job back" in text_of(app), "the menu")
        await asyncio.sleep(dialogs._DEAF_S)  # a key that was meant for what stood there before means nothing
        await pilot.press("down", "enter")
        await confirmed(app, pilot)
        await until(lambda: QueueManager.size("mail") == 2, "that both are put back")
        await pilot.press("6", "b")
        await until(lambda: "nothing can be done here" in text_of(app), "a list without keys that act")


async def test_a_column_is_hidden_and_shown_again(top: Any) -> None:
    async with top(several(), (120, 40)) as (app, pilot):
        assert "PEND" in text_of(app)
        for is_there in (False, True):
            await pilot.press("C")
            await until(lambda: isinstance(app.screen, Choose), "the columns")
            await asyncio.sleep(dialogs._DEAF_S)
            await pilot.press("down", "enter")
            await settled(pilot)
            assert ("PEND" in text_of(app)) is is_there


async def test_columns_that_have_no_room_are_reached_sideways(top: Any) -> None:
    async with top(several(), (80, 24)) as (app, pilot):
        await pilot.press("2")
        await until(lambda: grid(app).rows, "the workers")
        assert "BEAT" not in text_of(app)
        for _ in range(20):
            await pilot.press("right")
        titles = [column.title for column, _ in grid(app).widths()]
        assert (titles[0], titles[-1]) == ("WORKER", "BEAT")
        assert "BEAT" in text_of(app)
        for _ in range(20):
            await pilot.press("left")
        assert "STATE" in text_of(app)


async def test_delayed_jobs_are_cancelled(live: Any, manager: QueueManager) -> None:
    job_id = Works().delay_until(600).dispatch()
    async with live() as (app, pilot):
        await pilot.press("5")
        await until(lambda: grid(app).rows, "the delayed one")
        await pilot.press("K")
        await confirmed(app, pilot)
        await until(lambda: manager.connection().find(job_id).state == "cancelled", "that it is cancelled")


async def test_another_thread_of_the_store_that_fails_is_said(live: Any, manager: QueueManager) -> None:
    Works.dispatch()
    async with live() as (app, pilot):
        await until(lambda: grid(app).rows, "the queue")
        manager.settings.connections["default"]  # the store is there
        app._deeds._actions = Broken()
        await pilot.press("p")
        await until(lambda: "the disk is full" in text_of(app), "what went wrong")


class Broken:
    """Actions on a store that refuses them."""

    def pause(self, *_: Any) -> Any:
        from qcore import QueueError

        raise QueueError("the disk is full")


@pytest.fixture
def process(manager: QueueManager, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real supervisor with one worker."""
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    words = ["work", "--queue", "slow,mail", "--url", manager.settings.connection().url, "--quiet"]
    started = subprocess.Popen([sys.executable, "-m", "qctl", *words], env=environment, cwd=tmp_path)
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()


@pytest.mark.slow
async def test_a_worker_is_paused_and_ended(live: Any, process: subprocess.Popen[bytes]) -> None:
    async with live() as (app, pilot):
        await pilot.press("2")
        await until(lambda: len(grid(app).rows) == 3, "host, supervisor and worker", 20)
        await pilot.press("end", "p")
        await until(lambda: "paused" in grid(app).rows[2].text(), "that it is paused")
        await pilot.press("p")
        await until(lambda: "running" in grid(app).rows[2].text(), "that it goes on")
        await pilot.press("f8")
        await until(lambda: len(grid(app).rows) == 4, "another process")
        assert "qctl scale" in text_of(app)
        await pilot.press("f7")
        await until(lambda: len(grid(app).rows) == 3, "that it is gone again", 20)
        await pilot.press("home", "K")
        await until(lambda: isinstance(app.screen, Choose), "the menu")
        await pilot.press("enter")
        await confirmed(app, pilot)
        await until(lambda: process.poll() is not None, "that it has ended", 20)
        assert process.returncode == 0


@pytest.mark.slow
async def test_a_worker_tells_where_its_code_is(
    live: Any, manager: QueueManager, process: subprocess.Popen[bytes]
) -> None:
    job_id = Sleeps.dispatch()
    async with live() as (app, pilot):
        await pilot.press("3")
        await until(lambda: [row.key for row in grid(app).rows] == [job_id], "the job", 20)
        await until(lambda: any(one.running for one in app._shown.workers), "the worker", 20)
        (worker,) = Monitor(manager).workers()
        await pilot.press("i")
        await until(lambda: " in handle" in text_of(app), "where it is")
        assert f"pid {worker.pid}" in text_of(app)
        assert "screen_jobs.py" in text_of(app)
        first = Monitor(manager).workers()[0].stack
        await pilot.press("i")
        await until(lambda: Monitor(manager).workers()[0].stack != first, "that it tells again")
        await pilot.press("Y")
        assert app.clipboard == f"qctl stack {worker.id}"
        await pilot.press("y")
        assert " in handle" in app.clipboard
        process.kill()
        process.wait()
        await pilot.press("escape", "2")
        await until(lambda: grid(app).rows, "the worker")
        await pilot.press("end", "L")
        assert app._order.filter == f"{worker.host}:{worker.pid}"
        await until(lambda: [row.cells["job"].text for row in grid(app).rows] == ["Sleeps"], "that it began")


async def test_an_alert_stays_above_all_until_somebody_knows(live: Any, manager: QueueManager) -> None:
    watcher = Watcher(manager, max_size=0, max_wait_s=None)
    Works.dispatch()
    _, [alert] = watcher.look()
    watcher.settle(alert, was_told=True)
    job_id = Fails.dispatch()
    async with live() as (app, pilot):
        await pilot.press("6")
        await until(lambda: len(grid(app).rows) == 3, "the events")
        cells = grid(app).rows[0].cells
        assert [cells[key].text for key in ("event", "queue", "error")] == ["! alert", "mail", "more than 0 jobs"]
        await pilot.press("home", "enter")
        assert len(app.screen_stack) == 1
        await pilot.press("x")
        await until(lambda: (grid(app).rows[0].key or "").startswith(str(job_id)), "that it is at its time")
        manager.connection().clear("mail")
        watcher.look()
        await until(lambda: not any("alert" in row.text() for row in grid(app).rows), "that it is over")


@pytest.mark.slow
async def test_a_worker_is_killed(live: Any, manager: QueueManager, process: subprocess.Popen[bytes]) -> None:
    Sleeps.dispatch()
    async with live() as (app, pilot):
        await pilot.press("2")
        await until(lambda: len(grid(app).rows) == 4, "the worker and its job", 20)
        (worker,) = Monitor(manager).workers()
        await pilot.press("down", "down", "K")
        await until(lambda: isinstance(app.screen, Choose), "the menu")
        await pilot.press("end", "enter")
        await confirmed(app, pilot)
        await until(lambda: not is_alive(worker.pid), "that it is dead")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path(f"/proc/{pid}/status").exists() else False


async def test_what_is_recorded_is_shown_again(top: Any, manager: QueueManager, tmp_path: Path) -> None:
    dispatch_many([Works() for _ in range(3)])
    recorder = Recorder(Live(manager), tmp_path / "seen.jsonl")
    recorder.look("")
    WorkerTester(manager).work("mail")
    recorder.look("")
    async with top(Replay(tmp_path / "seen.jsonl", paced=False), replayed=True) as (app, pilot):
        await until(lambda: "the recording is over" in text_of(app), "the end")
        assert grid(app).rows[0].cells["pending"].text == "0"
        await pilot.press("X")
        assert len(app.screen_stack) == 1
