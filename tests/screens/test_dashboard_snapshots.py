"""How `qctl dashboard` looks: every page and each state, on three sizes, dark and light."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from canned import FAILED, HOSTILE, SILENT, queue
from canned_pages import BATCHES, CHAINS, CannedPages
from driving import on_page, settled, text_of, until
from textual.widgets import Input

from qcore.monitor.happenings import Happenings
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dashboard.pages import PAGES

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
PANELS = [(page, n, panel) for page in PAGES for n, panel in enumerate(page.panels)]


@pytest.mark.parametrize(("page", "place", "panel"), PANELS, ids=[panel.name for *_, panel in PANELS])
@pytest.mark.slow
async def test_pages(dashboard: Any, same_everywhere: Any, page: Any, place: int, panel: Any) -> None:
    async with dashboard(theme="textual-dark") as (app, pilot):
        await on_page(app, pilot, "g", page.letter, *["right_square_bracket"] * place)
        assert app._panel.name == panel.name
        await same_everywhere(app, pilot, f"dashboard-{panel.name}")


async def test_ascii(dashboard: Any, same: Any) -> None:
    async with dashboard(size=SIZES["120x40"], ascii_only=True) as (app, pilot):
        same(app, "dashboard-ascii-120x40")
        for page in PAGES:
            await on_page(app, pilot, "g", page.letter)
            assert text_of(app).isascii(), page.name


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
async def test_empty(dashboard: Any, page: Any) -> None:
    async with dashboard(CannedPages(empty=True)) as (app, pilot):
        await on_page(app, pilot, "g", page.letter)
        assert page.panels[0].empty[:40] in text_of(app)


@pytest.mark.slow
async def test_empty_overview(dashboard: Any, same_everywhere: Any) -> None:
    async with dashboard(CannedPages(empty=True), theme="textual-dark") as (app, pilot):
        await same_everywhere(app, pilot, "dashboard-empty")


@pytest.mark.slow
async def test_failing(dashboard: Any, same_everywhere: Any) -> None:
    async with dashboard(CannedPages(failing=True), theme="textual-dark") as (app, pilot):
        await same_everywhere(app, pilot, "dashboard-failing")


async def test_silent_from_the_beginning(dashboard: Any, same: Any) -> None:
    async with dashboard(CannedPages(SILENT)) as (app, _):
        same(app, "dashboard-unreachable-80x24")


@pytest.mark.slow
async def test_silent_after_a_while_and_back(dashboard: Any, same_everywhere: Any) -> None:
    source = CannedPages()
    async with dashboard(source, theme="textual-dark") as (app, pilot):
        source.broken = SILENT
        app._feed.every_s = 60.0  # so it is asked once while the screen is looked at
        app._feed.hurry()
        await until(lambda: app._trouble, pilot)
        await same_everywhere(app, pilot, "dashboard-disconnected")
        source.broken = None
        app._feed.hurry()
        await until(lambda: not app._trouble, pilot)
        assert "SILENT" not in text_of(app)


@pytest.mark.slow
async def test_filtered(dashboard: Any, same_everywhere: Any) -> None:
    async with dashboard(theme="textual-dark") as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("slash", *"news")
        app.query_one("#words", Input).cursor_blink = False
        await settled(pilot)
        await same_everywhere(app, pilot, "dashboard-filtered")


async def test_go_to(dashboard: Any, same: Any) -> None:
    async with dashboard() as (app, pilot):
        await pilot.press("g")
        await settled(pilot)
        same(app, "dashboard-go-80x24")


@pytest.mark.slow
async def test_confirm(dashboard: Any, same_everywhere: Any) -> None:
    async with dashboard(deeds=PageDeeds(None, None, None), theme="textual-dark") as (app, pilot):  # type: ignore[arg-type]
        await on_page(app, pilot, "5")
        await pilot.press("space", "space", "K")
        await settled(pilot)
        await same_everywhere(app, pilot, "dashboard-confirm")


async def test_help(dashboard: Any, same: Any) -> None:
    async with dashboard(size=SIZES["120x40"]) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        same(app, "dashboard-help-120x40")


@pytest.mark.slow
async def test_a_graph(dashboard: Any, same_everywhere: Any) -> None:
    async with dashboard(find_flow=lambda _: CHAINS[1], theme="textual-dark") as (app, pilot):
        await on_page(app, pilot, "6")
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2, pilot)
        await same_everywhere(app, pilot, "dashboard-graph")


async def test_a_batch(dashboard: Any, same: Any) -> None:
    flow = msgspec.structs.replace(BATCHES[2], failed_ids=tuple(job.id for job in FAILED))
    jobs = {job.id: job for job in FAILED}
    async with dashboard(size=SIZES["120x40"], find_flow=lambda _: flow, find_job=jobs.__getitem__) as (app, pilot):
        await on_page(app, pilot, "5")
        await pilot.press("enter")
        await until(lambda: "smtp.example.com" in text_of(app), pilot)
        same(app, "dashboard-batch-120x40")


async def test_too_small(dashboard: Any) -> None:
    async with dashboard(size=(50, 12)) as (app, _):
        assert "qctl dashboard needs 60 columns and 15 rows" in text_of(app)


async def test_nothing_of_the_store_steers_the_terminal(dashboard: Any) -> None:
    class Hostile(CannedPages):
        def look(self, view: str, words: str = "") -> Any:
            sight = super().look(view)
            stats = msgspec.structs.replace(sight.stats, queues=(queue(HOSTILE, pending=1, oldest_pending_s=9.0),))
            flows = tuple(msgspec.structs.replace(one, name=HOSTILE) for one in sight.flows)
            tags = tuple(msgspec.structs.replace(one, tag=HOSTILE) for one in sight.tags)
            jobs = tuple(msgspec.structs.replace(one, name=HOSTILE, error=HOSTILE) for one in sight.jobs)
            events = tuple(
                msgspec.structs.replace(one, job=msgspec.structs.replace(one.job, name=HOSTILE), error=HOSTILE)
                for one in sight.happenings.events
            )
            return msgspec.structs.replace(
                sight, stats=stats, flows=flows, tags=tags, jobs=jobs, happenings=Happenings(events)
            )

    async with dashboard(Hostile(), size=SIZES["120x40"]) as (app, pilot):
        for page in PAGES:
            await on_page(app, pilot, "g", page.letter)
            text = text_of(app)
            assert not {"\x1b", "\x07", "\u202e"} & set(text), page.name
        assert "\\x1b[31mred" in text
