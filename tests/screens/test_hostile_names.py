"""Names out of a store are shown letter by letter, and no mix of values ends a screen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from canned import AT, HOSTILE, WORKERS, Canned, busy, glance, job, jobs_of, queue, several
from canned_pages import CannedPages
from driving import listed, on_page, settled, text_of, until

from qcore.states import JobState
from qctl.screens.rows import Cell, Row, in_order
from qctl.screens.top.acting import Deeds

NAMES = ("w[/b]", "a[b]c", "[@click=app.leave]x[/]", "[red]z")


class Unreported(Canned):
    """A source in which one job is processed and in no worker's report."""

    def look(self, view: str, words: str = "") -> Any:
        found = super().look(view, words)
        lone = job(7, "Lone", JobState.PROCESSING, ended_at=None, error=None, attempts=0)
        return msgspec.structs.replace(found, jobs=(*jobs_of(view), lone))


@pytest.mark.parametrize("sort", ["runtime", "tries", "worker"])
async def test_a_job_that_no_worker_reported_stands_last(top: Any, sort: str) -> None:
    async with top(Unreported(several(3))) as (app, pilot):
        await pilot.press("3")
        await listed(app, pilot)
        app._orders["running"].sort = sort
        for _ in range(2):
            await pilot.press("I")
            assert len(app._list.rows) == 4
    assert app.crash is None


async def test_a_job_that_no_worker_reported_stands_last_in_the_dashboard(dashboard: Any) -> None:
    async with dashboard(CannedPages()) as (app, pilot):
        await on_page(app, pilot, "7")
        app._order.sort = "memory"
        await pilot.press("I", "I")
        await settled(pilot)
    assert app.crash is None


def test_values_of_all_kinds_are_put_in_order() -> None:
    cells = [Cell("b"), Cell("", order=None), Cell("", order=2.5), Cell("x", order=1), Cell("a"), Cell("")]
    rows = [Row(str(n), {"it": cell}) for n, cell in enumerate(cells)]
    assert [row.key for row in in_order(rows, "it", falling=False)] == ["3", "2", "4", "0", "1", "5"]
    assert [row.key for row in in_order(rows, "it", falling=True)] == ["0", "4", "2", "3", "1", "5"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_typed_is_said_as_it_is(top: Any, name: str) -> None:
    async with top(several(3), (120, 40)) as (app, pilot):
        await pilot.press("colon", *f"no{name}".replace(" ", ""), "enter")
        await settled(pilot)
        assert f"there is no 'no{name.lower()}'" in text_of(app).replace("\n", " ") or name in text_of(app)
        await pilot.press("f", *f"zz{name}", "enter", "n")
        await settled(pilot)
        assert f"no row holds 'zz{name}'" in " ".join(text_of(app).split())
    assert app.crash is None
    assert app.return_code in {None, 0}


class Willing:
    """Actions that do all that is asked."""

    def pause(self, *_: Any) -> Any:
        from qcore.monitor.actions import ActionResult

        return ActionResult(matched=1, changed=1)

    clear = resume = pause


@pytest.mark.parametrize("name", NAMES)
async def test_a_queue_of_any_name_is_acted_on(top: Any, name: str) -> None:
    looks = [glance((queue(name, pending=1),), WORKERS)]
    async with top(looks, (120, 40), deeds=Deeds(Willing(), protected=(name,))) as (app, pilot):
        await pilot.press("p")
        await until(lambda: "paused 1 queue" in text_of(app), pilot)
        assert f"qctl pause '{name}'" in text_of(app)
    assert app.crash is None


async def test_a_name_that_steers_terminals_is_shown(top: Any) -> None:
    looks = [glance((queue(HOSTILE, pending=1),), WORKERS)]
    async with top(looks, (120, 40), deeds=Deeds(Willing())) as (app, pilot):
        await pilot.press("p")
        await until(lambda: "paused 1 queue" in text_of(app), pilot)
        assert "\x1b" not in text_of(app)


async def test_who_stands_still_reads_another_list_once(top: Any) -> None:
    async with top(several(3), then_every_s=0.05) as (app, pilot):
        await pilot.press("z", "4")
        await listed(app, pilot)
        assert "SendEmail" in text_of(app)
        assert "FROZEN" in text_of(app)
        shown = app._shown
        await pilot.pause(0.3)
        assert app._shown is shown
    assert busy().at_s == AT.timestamp()
