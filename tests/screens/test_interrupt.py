"""Ctrl-C ends the screens wherever somebody is, as it ends any other command."""

from __future__ import annotations

from typing import Any

import pytest
from canned import several
from canned_pages import CannedPages


@pytest.mark.parametrize("keys", [(), ("slash", "a"), ("question_mark",), ("ctrl+p",)])
async def test_it_ends_top(top: Any, keys: tuple[str, ...]) -> None:
    async with top(several(3)) as (app, pilot):
        await pilot.press(*keys, "ctrl+c")
    assert app.return_code == 130


@pytest.mark.parametrize("keys", [(), ("slash", "a"), ("question_mark",), ("g",)])
async def test_it_ends_the_dashboard(dashboard: Any, keys: tuple[str, ...]) -> None:
    async with dashboard(CannedPages()) as (app, pilot):
        await pilot.press(*keys, "ctrl+c")
    assert app.return_code == 130
