"""Questions are answered on the smallest screen, however much they concern."""

from __future__ import annotations

from typing import Any

import pytest
from canned import several
from driving import settled, text_of
from textual.widgets import Button

from qctl.screens.dialogs import Confirm

LINE = "qctl retry " + " ".join(f"0199{n:04x}-7f1e-7cc3-98c4-dc0c0c07398f" for n in range(200))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
@pytest.mark.parametrize("word", ["", "200"])
async def test_the_buttons_are_seen(top: Any, size: tuple[int, int], word: str) -> None:
    async with top(several(3), size) as (app, pilot):
        app._last_line = LINE
        samples = [f"SendEmail on emails  {n}" for n in range(4)]
        app.push_screen(Confirm("Put back 200 failed jobs?", samples, LINE, word))
        await settled(pilot)
        for button in app.screen.query(Button):
            assert app.screen.region.contains_region(button.region), text_of(app)
            assert str(button.label) in text_of(app)
        assert "copies" in text_of(app) or size == (60, 15)
        await pilot.press("Y")
        assert app.clipboard == ("" if word else LINE), "who types a word types a letter"
        assert (f"Type {word} to go on" in text_of(app)) == bool(word)
