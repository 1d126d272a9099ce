"""Where somebody types: going elsewhere ends that, and what was typed stays."""

from __future__ import annotations

from typing import Any

import pytest
from canned import several
from canned_pages import CannedPages
from driving import settled, text_of
from textual import events


@pytest.mark.parametrize("how", ["click", "tab"])
async def test_going_elsewhere_leaves_the_filter_as_it_is(top: Any, how: str) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("slash", *"ema")
        await (pilot.click("#list", offset=(3, 1)) if how == "click" else pilot.press("tab"))
        await settled(pilot)
        assert not app.query_one("#words").display
        assert [row.key for row in app._list.rows] == ["emails"]
        assert "filter: ema" in text_of(app)
        await pilot.press("space")
        assert app._list.tags == {"emails"}


async def test_going_elsewhere_does_not_do_what_was_half_typed(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("colon", *"failed", "tab")
        await settled(pilot)
        assert app._panel.name == "queues"
        await pilot.press("4")
        assert app._panel.name == "failed"


async def test_a_terminal_that_is_left_for_another_keeps_the_words_open(top: Any) -> None:
    async with top(several()) as (app, pilot):
        await pilot.press("slash", *"ema")
        app.post_message(events.AppBlur())
        await settled(pilot)
        assert app.query_one("#words").display
        app.post_message(events.AppFocus())
        await settled(pilot)
        await pilot.press("i")
        assert app._order.filter == "emai"


@pytest.mark.parametrize("keys", [(), ("slash", "a"), ("question_mark",), ("4", "enter")])
async def test_ctrl_q_quits_wherever_somebody_is(top: Any, keys: tuple[str, ...]) -> None:
    async with top(several(3)) as (app, pilot):
        await pilot.press(*keys, "ctrl+q")
        await settled(pilot)
        assert not app.is_running or app._exit


@pytest.mark.parametrize("keys", [(), ("slash", "a"), ("question_mark",), ("g",)])
async def test_ctrl_q_quits_the_dashboard(dashboard: Any, keys: tuple[str, ...]) -> None:
    async with dashboard(CannedPages()) as (app, pilot):
        await pilot.press(*keys, "ctrl+q")
        await settled(pilot)
        assert not app.is_running or app._exit
