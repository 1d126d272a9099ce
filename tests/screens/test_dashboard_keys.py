"""The keys of `qctl dashboard`: what is pressed is done, on made-up pages and on a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from canned_pages import CannedPages
from driving import on_page, settled, text_of, until
from screen_jobs import Alone, Fails, Works
from textual.widgets import Button, Input

from qcore import QueueManager, batch, chain
from qcore.monitor import Monitor, happenings
from qcore.monitor.flows import FlowMonitor
from qcore.monitor.tags import Tags
from qcore.testing import WorkerTester
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dashboard.keys import DASHBOARD_KEYS
from qctl.screens.dashboard.pages import PAGES
from qctl.screens.dialogs import Confirm
from qctl.screens.flow.page import FlowPage
from qctl.screens.grid import Grid
from qctl.screens.job.page import JobPage
from qctl.screens.keys import KEYS


def grid(app: Any) -> Grid:
    return app.screen_stack[0].query_one("#list", Grid)


async def confirmed(app: Any, pilot: Any) -> None:
    """Say yes to the question, once it is there."""
    await until(lambda: isinstance(app.screen, Confirm), pilot)
    await pilot.press("y")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
@pytest.mark.slow
async def test_no_key_breaks_anything(dashboard: Any, page: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    told = page.panels[0].name
    own = set(DASHBOARD_KEYS) - set(KEYS) if told == "overview" else set()
    chosen = [one for one in DASHBOARD_KEYS if one in own or told in one.panels or one.action == "open"]
    keys = [key for one in chosen for key in one.keys.split(",") if one.action not in {"leave", "command_palette"}]
    async with dashboard(deeds=PageDeeds(None, None, None)) as (app, pilot):  # type: ignore[arg-type]
        for key in keys:
            app.action_page(page.name)
            await pilot.press(key)
            await pilot.pause()
            await pilot.press("escape", "escape")
            assert len(app.screen_stack) == 1, f"{key} left something open"
            assert app.return_code is None, f"{key} ended it"


async def test_only_the_open_page_is_read(dashboard: Any) -> None:
    source = CannedPages()
    async with dashboard(source) as (app, pilot):
        assert set(source.asked) == {"overview"}
        await on_page(app, pilot, "5")
        await on_page(app, pilot, "g", "h")
        assert source.asked[-2:] == ["batches", "health"]


@pytest.mark.slow
async def test_from_page_to_page(dashboard: Any) -> None:
    async with dashboard() as (app, pilot):
        for page in PAGES:
            await on_page(app, pilot, *([page.key] if page.key else ["g", page.letter]))
            assert app._page is page
        await on_page(app, pilot, "tab")
        assert app._page is PAGES[0]
        await on_page(app, pilot, "3", "left_square_bracket")
        assert app._panel.name == "cancelled"
        await on_page(app, pilot, "1", "3")
        assert app._panel.name == "cancelled", "a page stays as it was left"


async def test_tabs_are_clicked(dashboard: Any) -> None:
    async with dashboard(size=(120, 40)) as (app, pilot):
        line = text_of(app).splitlines()[1]
        await pilot.click("#tabs", offset=(line.index("Batches") + 2, 0))
        await until(lambda: app._page.name == "batches", pilot)


@pytest.mark.slow
async def test_the_palette_knows_pages_lists_and_keys(dashboard: Any) -> None:
    async with dashboard() as (app, pilot):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Failed", "Jobs: Delayed", "Metrics: By queue", "Filter"} <= titles
        await pilot.press("ctrl+p", *"Jobs: Delayed")
        await pilot.pause(0.3)
        await pilot.press("enter", "enter")
        await until(lambda: app._panel.name == "delayed", pilot)


JUMPS = {
    "jobs retrying smtp": ("retrying", "smtp"),
    "jobs": ("retrying", ""),
    "failed smtp example": ("failed", "smtp example"),
    "queue emails": ("failed", "emails"),
    "batch newsletter": ("batches", "newsletter"),
    "graph release": ("chains", "release"),
    "tag customer": ("tags", "customer"),
    "worker web": ("workers", "web"),
    "lock": ("locks", ""),
    "ev": ("events", ""),
}


async def jump(app: Any, pilot: Any, line: str) -> None:
    """Go by a name, typed at once."""
    await pilot.press("colon")
    app.screen_stack[0].query_one("#words", Input).value = line
    await pilot.press("enter")


async def test_going_by_a_name(dashboard: Any) -> None:
    async with dashboard() as (app, pilot):
        for line, (panel, words) in JUMPS.items():
            await jump(app, pilot, line)
            await until(lambda panel=panel: app._panel.name == panel and app._sight, pilot)
            assert app._order.filter == words, line
        await jump(app, pilot, "nowhere")
        await until(lambda: "there is no 'nowhere'" in text_of(app), pilot)
        assert app._panel.name == "events"


async def test_going_to_a_batch_and_a_job_by_their_ids(live: Any) -> None:
    job_id = str(Works.dispatch())
    made = batch([Works(), Works()]).name("two").dispatch()
    async with live() as (app, pilot):
        await jump(app, pilot, f"batch {made}")
        await until(lambda: "2 total, 2 pending" in text_of(app), pilot)
        await jump(app, pilot, f"job {job_id}")
        await until(lambda: isinstance(app.screen, JobPage) and app.screen.job.id == job_id, pilot)
        await jump(app, pilot, "limits")
        await until(lambda: app._panel.name == "limits" and len(app.screen_stack) == 1, pilot)


async def test_events_come_as_they_happen_and_stand_still_when_told(live: Any, manager: QueueManager) -> None:
    Works.dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "g", "e")
        await until(lambda: len(grid(app).rows) == 1, pilot)
        await pilot.press("z")
        WorkerTester(manager).work("mail", surface=False)
        await until(lambda: len(app._glance.happenings.events) == 3, pilot)
        assert len(grid(app).rows) == 1
        await pilot.press("z")
        await until(lambda: len(grid(app).rows) == 3, pilot)
        assert [row.cells["event"].text[2:] for row in grid(app).rows] == ["completed", "started", "dispatched"]
        assert "completed" in str(grid(app).row), "who looks at the newest goes on doing so"


def test_events_are_kept_within_bounds(manager: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "MOST", 2)
    recent = happenings.Recent(manager)
    for _ in range(3):
        Works.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    events = recent.look().events
    assert [str(event.what) for event in events] == ["started", "completed"]


async def test_range(live: Any) -> None:
    async with live() as (app, pilot):
        await on_page(app, pilot, "7")
        await pilot.press("w", "w")
        await until(lambda: app._shown.measured and app._shown.measured.since_s == 86400.0, pilot)
        assert "range 24h" in text_of(app)


async def test_filter(dashboard: Any) -> None:
    async with dashboard() as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("slash", *"news", "enter")
        await settled(pilot)
        assert len(grid(app).rows) == 1
        await on_page(app, pilot, "6")
        assert len(grid(app).rows) == 2, "a filter is of one list"


async def test_a_queue_opens_its_jobs(live: Any, manager: QueueManager) -> None:
    Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    Works.dispatch()
    async with live() as (app, pilot):
        await pilot.press("enter")
        await until(lambda: app._panel.name == "failed" and app._sight, pilot)
        assert app._order.filter == "mail"
        assert len(grid(app).rows) == 1


async def test_a_failed_job_is_opened_and_retried(live: Any, manager: QueueManager) -> None:
    job_id = Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await on_page(app, pilot, "4")
        assert [row.key for row in grid(app).rows] == [job_id]
        await pilot.press("enter")
        await until(lambda: "ValueError: no such address" in text_of(app) and len(app.screen_stack) == 2, pilot)
        await pilot.press("escape", "r")
        await until(lambda: Monitor(manager).job(job_id).state.value == "pending", pilot)
        await until(lambda: not grid(app).rows, pilot)
        assert f"$ qctl retry {job_id}"[2:] in app._last_line


@pytest.mark.slow
async def test_tagged_failed_jobs_are_forgotten_once_that_is_confirmed(live: Any, manager: QueueManager) -> None:
    for _ in range(3):
        Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await on_page(app, pilot, "4")
        await pilot.press("space", "space", "D")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        assert app.screen.query_one("#cancel", Button).has_focus
        await pilot.press("enter")
        await settled(pilot)
        assert Monitor(manager).stats().totals.failed == 3
        await pilot.press("D")
        await confirmed(app, pilot)
        await until(lambda: Monitor(manager).stats().totals.failed == 1, pilot)


async def test_a_waiting_job_is_cancelled(live: Any, manager: QueueManager) -> None:
    job_id = Works.dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "3")
        await pilot.press("K")
        await confirmed(app, pilot)
        await until(lambda: Monitor(manager).job(job_id).state.value == "cancelled", pilot)


@pytest.mark.slow
async def test_a_batch_is_opened_and_cancelled(live: Any, manager: QueueManager) -> None:
    made = batch([Works(), Works()]).name("two").dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2, pilot)
        assert "2 total, 2 pending" in text_of(app)
        await pilot.press("escape", "K")
        await confirmed(app, pilot)
        await until(lambda: FlowMonitor(manager).find(made).state == "cancelled", pilot)
        assert app._last_line == f"qctl batch cancel {made}"


async def test_from_a_batch_to_what_failed_of_it_and_on_from_there(live: Any, manager: QueueManager) -> None:
    made = batch([Fails(), Works()]).name("mixed").dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, FlowPage) and "ValueError: no such address" in text_of(app), pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, JobPage), pilot)
        assert app.screen.job.flow == made
        await pilot.press("escape", "r")
        await until(lambda: FlowMonitor(manager).find(made).failed == 0, pilot)
        await until(lambda: "1 pending" in text_of(app), pilot)
        assert app._last_line == f"qctl batch retry {made}"


async def test_a_chain_goes_on_from_what_failed(live: Any, manager: QueueManager) -> None:
    chain([Fails(), Works()]).dispatch()
    WorkerTester(manager).work("mail", surface=False)
    flows = FlowMonitor(manager)
    async with live() as (app, pilot):
        await on_page(app, pilot, "6")
        chain_id = grid(app).key
        assert flows.find(chain_id).state == "failed"
        await pilot.press("r")
        await until(lambda: flows.find(chain_id).state != "failed", pilot)


async def test_read_only_changes_nothing(live: Any, manager: QueueManager) -> None:
    job_id = Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live(may_act=False) as (app, pilot):
        await on_page(app, pilot, "4")
        await pilot.press("r", "R", "D")
        await settled(pilot)
        assert len(app.screen_stack) == 1
        assert Monitor(manager).job(job_id).state.value == "failed"
        assert " RO " in text_of(app)


async def test_a_tag_is_monitored_and_opened(live: Any, manager: QueueManager) -> None:
    Works().with_tags("customer:42").dispatch()
    tags = Tags(manager)
    async with live() as (app, pilot):
        await on_page(app, pilot, "g", "t")
        await pilot.press("m")
        await until(lambda: tags.monitored() == ["customer:42"], pilot)
        assert app._last_line == "qctl tags --monitor customer:42"
        await until(lambda: "monitored" in text_of(app).splitlines()[4], pilot)
        await pilot.press("m")
        await until(lambda: not tags.monitored(), pilot)
        await pilot.press("enter")
        await until(lambda: app._panel.name == "pending" and app._sight, pilot)
        assert app._order.filter == "customer:42"


async def test_a_lock_is_freed(live: Any, manager: QueueManager) -> None:
    Alone.dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "9", "right_square_bracket")
        assert len(grid(app).rows) == 1
        await pilot.press("D")
        await confirmed(app, pilot)
        await until(lambda: not Monitor(manager).locks().locks, pilot)


async def test_a_check_is_opened(live: Any) -> None:
    async with live() as (app, pilot):
        await on_page(app, pilot, "0")
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2, pilot)


async def test_rows_are_written_to_a_file(dashboard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with dashboard() as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("e")
        await until(lambda: list(tmp_path.glob("qctl-batches-*.csv")), pilot)
    [path] = tmp_path.glob("*.csv")  # noqa: ASYNC240  it is there
    assert "import customers" in path.read_text()
