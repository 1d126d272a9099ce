"""One job's page: how it looks, and that its keys do what they say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from canned import AT, HOSTILE, TRACEBACK, WHOLE, job
from canned_pages import BATCHES
from driving import on_page, settled, text_of, until
from screen_jobs import Alone, Fails, Works

from qcore import QueueManager, batch
from qcore.errors import JobNotFound
from qcore.monitor import Monitor
from qcore.monitor.snapshots import JobSnapshot
from qcore.states import JobState
from qcore.testing import WorkerTester
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dialogs import Confirm
from qctl.screens.job.page import JobPage
from qctl.screens.job.painting import json_text, traceback_text

BIG = (120, 40)
RUNNING = msgspec.structs.replace(
    WHOLE,
    state=JobState.PROCESSING,
    ended_at=None,
    runtime_s=None,
    error=None,
    attempts=2,
    failures=WHOLE.failures[:2],
)


async def opened(app: Any, pilot: Any, found: JobSnapshot = WHOLE) -> JobPage:
    """Open a job from the list of those that failed."""
    app._find_job = lambda _: found
    app._find_flow = lambda _: BATCHES[0]
    await on_page(app, pilot, "4")
    await pilot.press("enter")
    await until(lambda: isinstance(app.screen, JobPage) and app.screen._flow, pilot)
    page = app.screen
    assert isinstance(page, JobPage)
    return page


@pytest.mark.slow
async def test_a_failed_job(dashboard: Any, same_everywhere: Any) -> None:
    deeds = PageDeeds(None, None, None)  # type: ignore[arg-type]
    async with dashboard(theme="textual-dark", deeds=deeds) as (app, pilot):
        await opened(app, pilot)
        assert "TimeoutError: smtp.example.com did not answer" in text_of(app)
        await same_everywhere(app, pilot, "job-failed")


async def test_each_part(dashboard: Any, same: Any) -> None:
    async with dashboard(size=BIG) as (app, pilot):
        page = await opened(app, pilot)
        for number, part in enumerate(page._parts, 1):
            await pilot.press(str(number))
            await settled(pilot)
            same(app, f"job-{part.title.lower()}-120x40")


async def test_parts_on_a_small_screen(dashboard: Any, same: Any) -> None:
    async with dashboard() as (app, pilot):
        page = await opened(app, pilot)
        assert page._parts[0].title == "Facts"
        await pilot.press("1")
        await settled(pilot)
        same(app, "job-facts-80x24")
        await pilot.press("right_square_bracket")
        await settled(pilot)
        same(app, "job-timeline-80x24")


async def test_a_running_job(dashboard: Any, same: Any) -> None:
    deeds = PageDeeds(None, None, None)  # type: ignore[arg-type]
    async with dashboard(size=BIG, deeds=deeds) as (app, pilot):
        await opened(app, pilot, RUNNING)
        await pilot.press("1")
        await settled(pilot)
        same(app, "job-running-120x40")
        footer = text_of(app).splitlines()[-1]
        assert "Cancel" in footer
        assert "Retry" not in footer, "what does not fail is not retried"


async def test_ascii(dashboard: Any) -> None:
    async with dashboard(size=BIG, ascii_only=True) as (app, pilot):
        masked = msgspec.structs.replace(WHOLE, payload={"args": ["***"]})
        page = await opened(app, pilot, masked)
        for number in range(1, len(page._parts) + 1):
            await pilot.press(str(number))
            await settled(pilot)
            assert text_of(app).isascii()


async def test_it_is_renewed_as_it_moves(dashboard: Any) -> None:
    async with dashboard(size=BIG) as (app, pilot):
        page = await opened(app, pilot, RUNNING)
        app._find_job = None
        page._doors = page._doors._replace(find=lambda _: msgspec.structs.replace(RUNNING, progress=95))
        page.reread()
        await until(lambda: "95 %" in text_of(app), pilot)


async def test_a_job_that_is_gone_stays_to_be_read(dashboard: Any) -> None:
    def gone(_: str) -> JobSnapshot:
        raise JobNotFound("no job")

    async with dashboard(size=BIG) as (app, pilot):
        page = await opened(app, pilot)
        page._doors = page._doors._replace(find=gone)
        page.reread()
        await until(lambda: "it is not stored any more" in text_of(app), pilot)
        assert "smtp.connect" in text_of(app)


async def test_a_slow_store_blocks_no_key(dashboard: Any) -> None:
    answer = threading.Event()

    def slow(_: str) -> JobSnapshot:
        answer.wait(20)
        return WHOLE

    async with dashboard(size=BIG) as (app, pilot):
        page = await opened(app, pilot)
        page._doors = page._doors._replace(find=slow)
        page.reread()
        await pilot.press("2")
        await until(lambda: '"args": [' in text_of(app), pilot)
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1, pilot)
        answer.set()


async def test_nothing_of_the_store_steers_the_terminal(dashboard: Any) -> None:
    failures = tuple(
        msgspec.structs.replace(one, text=HOSTILE, traceback=HOSTILE, kind=HOSTILE) for one in WHOLE.failures
    )
    hostile = msgspec.structs.replace(
        WHOLE,
        name=HOSTILE,
        job=HOSTILE,
        error=HOSTILE,
        tags=(HOSTILE,),
        worker=HOSTILE,
        payload={"args": [HOSTILE], "kwargs": {HOSTILE: 1}},
        result=HOSTILE,
        failures=failures,
        progress_note=HOSTILE,
    )
    async with dashboard(size=BIG) as (app, pilot):
        page = await opened(app, pilot, hostile)
        for number in range(1, len(page._parts) + 1):
            await pilot.press(str(number))
            await settled(pilot)
            assert not {"\x1b", "\x07", "\u202e"} & set(text_of(app))


def test_a_traceback_in_colours() -> None:
    text = traceback_text(TRACEBACK)
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert text.plain == TRACEBACK.rstrip("\n")
    assert styles['"/srv/shop/mail.py"'] == "cyan"
    assert styles["31"] == "yellow"
    assert styles["handle"] == "bold"
    assert styles["TimeoutError"] == "bold red"


def test_json_in_colours() -> None:
    text = json_text({"a": [1, "two", None, True]})
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styles == {'"a"': "cyan", "1": "yellow", '"two"': "green", "null": "magenta", "true": "magenta"}


def test_what_is_too_long_is_cut() -> None:
    text = json_text("x" * 200_000)
    assert len(text.plain) < 101_000
    assert "characters more: qctl show" in text.plain


# -- on a real store -------------------------------------------------------------------------------------------------


async def at_page(app: Any, pilot: Any) -> JobPage:
    await pilot.press("enter")
    await until(lambda: isinstance(app.screen, JobPage), pilot)
    page = app.screen
    assert isinstance(page, JobPage)
    return page


LISTS: dict[str, tuple[str, ...]] = {
    "pending": ("3",),
    "failed": ("4",),
    "locks": ("9", "right_square_bracket"),
    "delayed": ("3", "right_square_bracket"),
    "completed": ("3", *["right_square_bracket"] * 3),
    "events": ("g", "e"),
}


@pytest.mark.slow
async def test_opened_from_every_list(live: Callable[..., Any], manager: QueueManager) -> None:
    Fails.dispatch()
    Works.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    Alone.dispatch()
    Works().delay_until(3600).dispatch()
    async with live() as (app, pilot):
        for name, keys in LISTS.items():
            await on_page(app, pilot, *keys)
            assert app._panel.name == name
            await until(lambda: app._list.rows, pilot)
            page = await at_page(app, pilot)
            assert page.job.id in text_of(app)
            await pilot.press("escape")


async def test_a_failed_job_is_retried(live: Callable[..., Any], manager: QueueManager) -> None:
    job_id = Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await on_page(app, pilot, "4")
        await at_page(app, pilot)
        await pilot.press("r")
        await until(lambda: Monitor(manager).job(str(job_id)).state is JobState.PENDING, pilot)
        await until(lambda: "pending" in text_of(app).splitlines()[0], pilot)
        assert app._last_line == f"qctl retry {job_id}"
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1, pilot)


async def test_a_failed_job_is_dropped_once_that_is_confirmed(live: Callable[..., Any], manager: QueueManager) -> None:
    Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live() as (app, pilot):
        await on_page(app, pilot, "4")
        await at_page(app, pilot)
        await pilot.press("D")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        await pilot.press("y")
        await until(lambda: Monitor(manager).stats().totals.failed == 0, pilot)
        await until(lambda: "it is not stored any more" in text_of(app), pilot)


async def test_a_waiting_job_is_cancelled(live: Callable[..., Any], manager: QueueManager) -> None:
    job_id = Works.dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "3")
        await at_page(app, pilot)
        await pilot.press("K")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        await pilot.press("y")
        await until(lambda: Monitor(manager).job(str(job_id)).state is JobState.CANCELLED, pilot)


async def test_its_batch_is_one_key_away(live: Callable[..., Any]) -> None:
    batch([Works(), Works()]).name("two of them").dispatch()
    async with live() as (app, pilot):
        await on_page(app, pilot, "3")
        await at_page(app, pilot)
        await until(lambda: "two of them" in text_of(app), pilot)
        await pilot.press("b")
        await until(lambda: "2 total, 2 pending" in text_of(app), pilot)


async def test_looking_on_changes_nothing(live: Callable[..., Any], manager: QueueManager) -> None:
    job_id = Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    async with live(may_act=False) as (app, pilot):
        await on_page(app, pilot, "4")
        await at_page(app, pilot)
        await pilot.press("r", "D", "K")
        await settled(pilot)
        assert isinstance(app.screen, JobPage)
        assert Monitor(manager).job(str(job_id)).state is JobState.FAILED


def test_a_job_that_was_never_tried_has_a_due_time() -> None:
    from qctl.screens.job.facts import Told, timeline

    waits = job(1, state=JobState.PENDING, ended_at=None, attempts=0, error=None, due_at=AT + timedelta(hours=1))
    assert timeline(Told(waits, AT)).plain.splitlines()[-1].split() == ["◷", "11:20:31", "due"]
