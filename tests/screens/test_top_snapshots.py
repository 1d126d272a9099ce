"""How `qctl top` looks: every list and each state, on three sizes, dark and light."""

from __future__ import annotations

from typing import Any

import pytest
from canned import HOSTILE, SILENT, Canned, Previewed, busy, failing, glance, queue, several, worker
from driving import listed, settled, text_of, until
from textual.widgets import Input

LISTS = [("1", "busy"), ("2", "workers"), ("3", "running"), ("4", "failed"), ("5", "delayed"), ("6", "events")]
BIG = (120, 40)


@pytest.mark.parametrize(("key", "name"), LISTS)
@pytest.mark.slow
async def test_lists(top: Any, same_everywhere: Any, key: str, name: str) -> None:
    async with top(several(), theme="textual-dark") as (app, pilot):
        await pilot.press(key)
        await listed(app, pilot)
        await same_everywhere(app, pilot, f"top-{name}")


@pytest.mark.slow
async def test_empty(top: Any, same_everywhere: Any) -> None:
    async with top([glance(())], theme="textual-dark") as (app, pilot):
        await same_everywhere(app, pilot, "top-empty")


@pytest.mark.slow
async def test_failing(top: Any, same_everywhere: Any) -> None:
    async with top([failing(float(n)) for n in range(3)], theme="textual-dark") as (app, pilot):
        await same_everywhere(app, pilot, "top-failing")


async def test_silent_from_the_beginning(top: Any, same: Any) -> None:
    async with top([SILENT], then_every_s=3600.0) as (app, _):
        same(app, "top-unreachable-80x24")


@pytest.mark.slow
async def test_silent_after_a_while(top: Any, same_everywhere: Any) -> None:
    async with top([*several(), SILENT], then_every_s=3600.0, theme="textual-dark") as (app, pilot):
        await same_everywhere(app, pilot, "top-disconnected")


@pytest.mark.slow
async def test_filtered(top: Any, same_everywhere: Any) -> None:
    async with top(several(), theme="textual-dark") as (app, pilot):
        await pilot.press("slash", *"high|low")
        app.query_one("#words", Input).cursor_blink = False
        await settled(pilot)
        await same_everywhere(app, pilot, "top-filtered")


async def test_filtered_to_nothing(top: Any, same: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("slash", *"nobody", "enter")
        await settled(pilot)
        same(app, "top-no-match-80x24")


@pytest.mark.slow
async def test_confirm(top: Any, same_everywhere: Any) -> None:
    from qctl.screens.top.acting import Deeds

    async with top(several(), deeds=Deeds(Previewed()), theme="textual-dark") as (app, pilot):
        await pilot.press("down", "down", "X")
        await until(lambda: len(app.screen_stack) == 2, pilot)
        await same_everywhere(app, pilot, "top-confirm")


async def test_a_job(top: Any, same: Any) -> None:
    from canned import FAILED

    async with top(several(), BIG, find_job=lambda _: FAILED[0]) as (app, pilot):
        await pilot.press("4")
        await listed(app, pilot)
        await pilot.press("enter")
        await until(lambda: "smtp.connect()" in text_of(app), pilot)


async def test_help(top: Any, same: Any) -> None:
    async with top(several(), BIG) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        same(app, "top-help-120x40")


async def test_ascii(top: Any, same: Any) -> None:
    async with top(several(), BIG, ascii_only=True) as (app, _):
        same(app, "top-ascii-120x40")
        assert text_of(app).isascii()


async def test_read_only(top: Any, same: Any) -> None:
    async with top(several()) as (app, _):
        same(app, "top-read-only-80x24")


async def test_too_small(top: Any, same: Any) -> None:
    async with top([busy()], (50, 12)) as (app, _):
        same(app, "top-too-small-50x12")


async def test_nothing_of_the_store_steers_the_terminal(top: Any) -> None:
    hostile = glance((queue(HOSTILE, pending=1, pause_reason=HOSTILE),), (worker(1, host=HOSTILE),))
    async with top(Canned([hostile])) as (app, pilot):
        for key in "12":
            await pilot.press(key)
            await settled(pilot)
            text = text_of(app)
            assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert "\\x1b[31mred" in text
