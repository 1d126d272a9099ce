"""How `qctl dashboard` looks: every page on two sizes, and in each state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from canned import FAILED, HOSTILE, SILENT, queue
from canned_pages import CHAINS, CannedPages
from conftest import on_page, settled, text_of, until

from qctl.commands.flow_items import page_of
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dashboard.pages import PAGES

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
PANELS = [(page, n, panel) for page in PAGES for n, panel in enumerate(page.panels)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("page", "place", "panel"), PANELS, ids=[panel.name for *_, panel in PANELS])
async def test_pages(dashboard: Any, same: Any, size: str, page: Any, place: int, panel: Any) -> None:
    async with dashboard(size=SIZES[size]) as (app, pilot):
        await on_page(app, pilot, "g", page.letter, *["right_square_bracket"] * place)
        assert app._panel.name == panel.name
        same(app, f"dashboard-{panel.name}-{size}")
