"""Screens under test: driven by Pilot, and kept as text and SVG in `snapshots/screens`."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
from canned import AT, Canned
from canned_pages import CannedPages
from driving import settled, text_of, until
from textual.pilot import Pilot
from textual.widgets import Input

from qcore import QueueManager
from qcore.config import load_settings
from qcore.monitor import Monitor
from qcore.monitor.actions import Actions
from qcore.monitor.flows import FlowMonitor
from qcore.monitor.tags import Tags
from qctl.screens import dialogs
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dashboard.app import DashboardApp
from qctl.screens.dashboard.sight import PageSource
from qctl.screens.top.app import TopApp

FOLDER = Path(__file__).parents[2] / "snapshots" / "screens"
SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
Running = Callable[..., Any]
_ONCE_S = 3600.0
"""Seconds between two looks that no test waits for."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No colour or motion of this machine, and no zone."""
    for name in ("NO_COLOR", "COLORTERM", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def quick_ears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions hear keys at once."""
    monkeypatch.setattr(dialogs, "_DEAF_S", 0.0)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[QueueManager]:
    manager = QueueManager(load_settings({"url": f"sqlite:///{tmp_path}/queue.db"}, environ={}))
    with manager.using():
        yield manager
    manager.close()


@pytest.fixture
def top() -> Running:
    """Runs `qctl top` on made-up looks: `async with top([...]) as (app, pilot):`."""

    @asynccontextmanager
    async def run(
        glances: Any, size: tuple[int, int] = (80, 24), then_every_s: float = 1.0, **more: Any
    ) -> AsyncIterator[tuple[TopApp, Pilot[None]]]:
        source = Canned(list(glances)) if not hasattr(glances, "look") else glances
        app = TopApp(source, every_s=more.pop("every_s", 0.001), clock=lambda: AT.timestamp() + 14, **more)
        async with app.run_test(size=size, notifications=True) as pilot:
            if isinstance(source, Canned):
                await asyncio.to_thread(source.all_given.wait, 10)
                app._feed.every_s = then_every_s
                await until(lambda: source.is_shown_by(app), pilot)
                app._draw()  # the last look may have been drawn before the interval was the usual one
                await pilot.pause()
            yield app, pilot

    return run


@pytest.fixture
def dashboard() -> Running:
    """Runs `qctl dashboard` on made-up sights: `async with dashboard() as (app, pilot):`."""

    @asynccontextmanager
    async def run(
        source: Any = None, size: tuple[int, int] = (80, 24), **more: Any
    ) -> AsyncIterator[tuple[DashboardApp, Pilot[None]]]:
        every_s = more.pop("every_s", _ONCE_S)
        app = DashboardApp(source or CannedPages(), every_s=every_s, clock=AT.timestamp, **more)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(lambda: app._sight is not None or app._trouble, pilot)
            if every_s == _ONCE_S:  # what it says of itself is what it says of a usual one
                app._every_s = app._feed.every_s = 5.0
                app._draw()
                await settled(pilot)
            yield app, pilot

    return run


@pytest.fixture
def live(dashboard: Any, manager: QueueManager) -> Callable[..., Any]:
    """Runs `qctl dashboard` on a real store."""

    def run(*, may_act: bool = True, **more: Any) -> Any:
        flows = FlowMonitor(manager)
        return dashboard(
            PageSource(manager),
            (120, 40),
            deeds=PageDeeds(Actions(manager), flows, Tags(manager)) if may_act else None,
            find_job=Monitor(manager).job,
            find_flow=flows.find,
            every_s=0.05,
            **more,
        )

    return run


@pytest.fixture
def same() -> Callable[..., None]:
    """Compares a screen with the one that is kept; SNAPSHOTS=renew writes it anew."""

    def compare(app: Any, name: str, *, has_text: bool = True) -> None:
        text, svg = text_of(app), re.sub(r"terminal-\d+", "terminal-0", app.export_screenshot(title=app.TITLE))
        kept = {"txt": text, "svg": svg} if has_text else {"svg": svg}
        for suffix, content in kept.items():
            path = FOLDER / f"{name}.{suffix}"
            if os.environ.get("SNAPSHOTS") == "renew":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
            assert path.exists(), f"{path.name} is not kept yet: make snapshots"
            assert path.read_text(encoding="utf-8") == content, f"{path.name} differs:\n{text}"

    return compare


@pytest.fixture
def same_everywhere(same: Callable[..., None]) -> Callable[..., Any]:
    """Compares a screen on each size, dark and light, with those that are kept; the text of both is the same."""

    async def compare(app: Any, pilot: Pilot[Any], name: str) -> None:
        for theme, suffix in (("textual-dark", ""), ("textual-light", "-light")):
            app.theme = theme
            for size, (width, height) in SIZES.items():
                await pilot.resize_terminal(width, height)
                await settled(pilot)
                same(app, f"{name}-{size}{suffix}", has_text=not suffix)

    return compare
