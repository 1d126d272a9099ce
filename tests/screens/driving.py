"""What tests of screens wait for, and the screen as text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from qcore import QueueManager
from qcore.monitor.glance import Glance, Glancer
from qctl.screens.dashboard.app import DashboardApp
from qctl.screens.top.app import TopApp


class Live:
    """Looks at a real store."""

    def __init__(self, manager: QueueManager) -> None:
        self._glancer = Glancer(manager)

    def look(self, view: str, words: str = "") -> Glance:
        return self._glancer.look(view, words=words)

    def forget(self) -> None:
        self._glancer.forget()


async def until(holds: Callable[[], object], pilot: Pilot[Any]) -> None:
    """Wait until something holds on the screen, and nothing more is on its way there."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        await pilot.pause(0.01)
    await settled(pilot)


async def on_page(app: DashboardApp, pilot: Pilot[Any], *keys: str) -> None:
    """Press keys that lead to another page, and wait until that is read."""
    await pilot.press(*keys)
    await until(lambda: app._sight is not None, pilot)


async def listed(app: TopApp, pilot: Pilot[Any]) -> None:
    """Wait until the list that was asked for is shown."""
    await until(lambda: app._shown is not None and app._shown.view == (app._panel.view or app._panel.also), pilot)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until nothing more is on its way to the screen."""
    for _ in range(3):
        await pilot.pause(0.02)


def text_of(app: Any) -> str:
    """The screen as lines of text."""
    width, height = app.size
    lines = [[" "] * width for _ in range(height)]
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        lines[y] = list(strip.text.ljust(width)[:width])
    return "\n".join("".join(line).rstrip() for line in lines) + "\n"
