"""How lists of `qctl top` are shown: order in a tree, following, wide letters, and how far jobs are."""

from __future__ import annotations

from typing import Any

from canned import WORKERS, glance, queue, running, several, worker
from driving import listed, settled, text_of, until
from rich.cells import cell_len

from qctl.screens.rows import fitting


async def test_a_tree_is_in_order_by_number(top: Any) -> None:
    workers = (worker(1, "a", rss_bytes=9 * 2**20), worker(2, "b", rss_bytes=10 * 2**20, cpu_percent=9.0))
    async with top([glance((queue("mail"),), workers)], (120, 40)) as (app, pilot):
        await pilot.press("2")
        for sort in ("rss", "cpu", "pace"):
            app._order.sort, app._order.falling = sort, True
            app._draw()
            hosts = [row.cells["worker"].text for row in app._list.rows if row.depth == 0]
            assert hosts == (["b", "a"] if sort != "pace" else ["a", "b"]), sort


async def test_following_keeps_the_row_in_sight(top: Any) -> None:
    queues = [queue(f"queue-{n:02}", pending=n, oldest_pending_s=float(n)) for n in range(60)]
    moved = [*queues[:1], queue("queue-01", pending=1, oldest_pending_s=99.0), *queues[2:]]
    looks = [glance(tuple(queues)), glance(tuple(moved), after_s=1.0)]
    async with top(looks[:1]) as (app, pilot):
        await pilot.press("end", "up")
        assert app._list.key == "queue-01"
        app._glance = app._shown = looks[1]
        app._draw()
        await settled(pilot)
        assert app._list.at == 0
        assert app._list.scroll_y == 0
        assert "queue-01" in text_of(app)


async def test_arrows_move_the_cursor_of_a_long_list(top: Any) -> None:
    async with top([glance(tuple(queue(f"queue-{n:02}") for n in range(60)))]) as (app, pilot):
        await pilot.press("down", "down", "j")
        assert app._list.at == 3
        await pilot.press("pagedown")
        assert app._list.at == 3 + app._list.page()
        await pilot.press("end")
        assert app._list.at == 59
        await pilot.press("home")
        assert app._list.at == 0


async def test_whoever_looks_elsewhere_is_not_called_back(top: Any) -> None:
    queues = [queue(f"queue-{n:02}", pending=n, oldest_pending_s=float(n)) for n in range(60)]
    async with top([glance(tuple(queues))]) as (app, pilot):
        app._list.scroll_to(y=30, animate=False)
        await settled(pilot)
        app._order.falling = False
        app._draw()
        await settled(pilot)
        assert app._list.scroll_y == 30


async def test_wide_letters_keep_the_columns(top: Any) -> None:
    queues = (queue("日本語の待ち行列とても長い名前です", pending=1), queue("mail", pending=2))
    async with top([glance(queues)]) as (app, pilot):
        await settled(pilot)
        lines = [strip.text for strip in app.screen._compositor.render_strips()]
        places = [cell_len(line[: line.rindex(" run ")]) for line in lines if " run " in line]
        assert len(places) == 2
        assert len(set(places)) == 1


def test_a_text_is_cut_between_letters() -> None:
    for width in range(1, 9):
        for text in ("日本語", "a日b", "mail", ""):
            assert cell_len(fitting(text, width, right=False, ascii_only=False)) == width
            assert cell_len(fitting(text, width, right=True, ascii_only=True)) == width


async def test_the_tree_says_how_far_jobs_are_and_how_fast_workers(top: Any) -> None:
    quick = worker(1, running=(running(2, "Report", 95.0),), jobs_per_min=12.5)
    async with top([glance((queue("mail"),), (quick, *WORKERS[3:]))], (200, 40)) as (app, pilot):
        await pilot.press("2")
        await until(lambda: "40%" in text_of(app), pilot)
        assert "/MIN" in text_of(app)
        assert "12.5" in text_of(app)
        row = next(row for row in app._list.rows if row.cells["worker"].text == "Report")
        assert row.cells["job"].text == "████░░░░░░  40%"


async def test_the_palette_knows_lists_and_keys(top: Any) -> None:
    from canned import FAILED

    async with top(several(3), (120, 40), find_job=lambda _: FAILED[0]) as (app, pilot):
        titles = [one.title for one in app.get_system_commands(app.screen)]
        assert {"Queues", "Failed", "Freeze", "Sort"} <= set(titles)
        await pilot.press("ctrl+p", *"Failed", "enter", "enter")
        await listed(app, pilot)
        assert app._panel.name == "failed"
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 2, pilot)
        found = {one.title: one for one in app.get_system_commands(app.screen)}
        assert "Sort" not in found
        await found["Copy"].callback()
        assert app.clipboard == FAILED[0].id
