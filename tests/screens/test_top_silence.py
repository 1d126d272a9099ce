"""A store that is slow or silent: it is said, nothing waits for it, and what did not change is not drawn again."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from canned import AT, SILENT, Canned, Previewed, busy, several
from driving import settled, text_of, until
from textual.widgets import Static

from qctl.screens.feed import Feed
from qctl.screens.top import base
from qctl.screens.top.acting import Deeds


class Stuck(Canned):
    """A source that stops answering."""

    def __init__(self, glances: Any) -> None:
        super().__init__(glances)
        self.goes_on = threading.Event()
        self.goes_on.set()

    def look(self, view: str, words: str = "") -> Any:
        self.goes_on.wait(30)
        return super().look(view, words)


async def test_a_slow_store_is_said(top: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_SLOW_S", 0.05)
    source = Stuck(several(3))
    async with top(source, then_every_s=0.05) as (app, pilot):
        assert "LIVE" in text_of(app)
        source.goes_on.clear()
        await until(lambda: "SLOW 12" in text_of(app), pilot)
        source.goes_on.set()
        await until(lambda: "LIVE" in text_of(app), pilot)


async def test_a_silent_store_takes_the_keys_that_act_away(top: Any) -> None:
    source = [*several(3), SILENT]
    async with top(source, (120, 40), then_every_s=3600.0, deeds=Deeds(Previewed())) as (app, pilot):
        assert app.query_one("#meters").has_class("stale")
        assert "Clear" not in text_of(app)
        await pilot.press("X", "p", "R")
        await settled(pilot)
        assert len(app.screen_stack) == 1
        assert app._last_line == ""


async def test_the_pause_until_it_is_asked_again_runs_down(top: Any) -> None:
    now = AT.timestamp()
    async with top([*several(3), SILENT], (120, 40), then_every_s=3600.0) as (app, pilot):
        app._again_at, app._clock = now + 30, lambda: now
        app._tick()
        await settled(pilot)
        assert "asking again in 30 s" in text_of(app)
        app._clock = lambda: now + 21
        app._tick()
        await settled(pilot)
        assert "asking again in 9 s" in text_of(app)


async def test_what_did_not_change_is_not_drawn_again(top: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with top(several(3), then_every_s=3600.0) as (app, pilot):
        drawn: list[str] = []
        update = Static.update
        monkeypatch.setattr(Static, "update", lambda it, *a, **more: (drawn.append(it.id), update(it, *a, **more))[1])
        app._draw()
        assert drawn == []
        await pilot.press("j")
        assert drawn == ["about"]


async def test_who_leaves_does_not_wait_for_what_is_under_way(top: Any) -> None:
    held = threading.Event()

    class Slow(Previewed):
        def pause(self, *_: Any) -> Any:
            held.wait(30)
            return self.preview()

    async with top(several(3), deeds=Deeds(Slow())) as (_, pilot):
        await pilot.press("p")
        await settled(pilot)
        waiting = [one for one in threading.enumerate() if one.name == "qctl-aside"]
        assert waiting
        assert all(one.daemon for one in waiting)
        began = time.monotonic()
        await pilot.press("q")
    assert time.monotonic() - began < 5
    held.set()


def test_a_recording_keeps_its_own_pace() -> None:
    given = threading.Event()
    looks: list[float] = []

    class Paced:
        def look(self, view: str, words: str = "") -> Any:
            looks.append(time.monotonic())
            if len(looks) == 4:
                given.set()
                return None
            return busy()

        def forget(self) -> None:
            """Nothing is kept."""

    feed = Feed(Paced(), lambda _: None, 30.0, is_paced=True)
    feed.start()
    assert given.wait(10), "it waits for an interval of its own"
    feed.stop()
