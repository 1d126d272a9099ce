"""Acting on more jobs than a list shows: the number is typed, it says how far it is, and Esc stops it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canned import WORKERS, Previewed, several
from driving import Live, settled, text_of, until
from fakes.managers import in_use
from screen_jobs import Fails, Works

from qcore import QueueManager, dispatch_many
from qcore.filters import parse
from qcore.monitor.actions import Actions
from qcore.testing import WorkerTester
from qctl.screens.dialogs import Choose, Confirm, Working
from qctl.screens.top.acting import Deeds, Progress

MANY = 250


@pytest.fixture(scope="module")
def stored() -> Iterator[QueueManager]:
    """A store in which many jobs have failed; tests put them back and let them fail again."""
    with in_use({"url": "memory://"}) as manager:
        yield manager


@pytest.fixture
def failed(stored: QueueManager) -> QueueManager:
    actions = Actions(stored)
    actions.flush()
    for queue in ("mail", "early"):
        actions.clear(queue)
    dispatch_many([*(Fails() for _ in range(MANY - 3)), *(Fails().on_queue("early") for _ in range(3))])
    WorkerTester(stored).work("mail", "early", surface=False)
    return stored


@pytest.fixture
def shown(top: Any, failed: QueueManager) -> Callable[..., Any]:
    return lambda **more: top(Live(failed), (120, 40), deeds=Deeds(Actions(failed), **more), every_s=0.05)


async def asked(app: Any, pilot: Any, number: int) -> None:
    """Wait for the question, and type the number that it wants."""
    await until(lambda: isinstance(app.screen, Confirm), pilot)
    await pilot.press(*str(number), "enter")


async def test_all_that_match_are_put_back(shown: Any, failed: QueueManager) -> None:
    async with shown() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(app._list.rows) == 200, pilot)
        await pilot.press("R")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        assert f"Put back {MANY} failed jobs?" in text_of(app)
        assert "Fails on" in text_of(app), "samples"
        assert "… and 247 more" in text_of(app)
        assert "$ qctl retry --all" in text_of(app)
        await pilot.press(*"249", "enter")
        assert isinstance(app.screen, Confirm), "another number is no answer"
        await pilot.press("backspace", "backspace", "5", "0", "enter")
        await until(lambda: f"retried {MANY} jobs" in text_of(app), pilot)
        assert failed.connection().counts(["mail"])[0].failed == 0
        assert len(app.screen_stack) == 1


async def test_what_is_tagged_beyond_the_list_is_dropped(shown: Any, failed: QueueManager) -> None:
    async with shown() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(app._list.rows) == 200, pilot)
        await pilot.press("A")
        await until(lambda: f"{MANY} tagged" in text_of(app), pilot)
        await pilot.press("D")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        assert "qctl forget --where state:failed" in text_of(app)
        await asked(app, pilot, MANY)
        await until(lambda: "qctl restore" in text_of(app), pilot)
        assert not failed.connection().counts(["mail", "early"])[0].failed


async def test_a_tag_taken_away_leaves_what_is_shown(shown: Any) -> None:
    async with shown() as (app, pilot):
        await pilot.press("4")
        await until(lambda: len(app._list.rows) == 200, pilot)
        await pilot.press("A")
        await until(lambda: app._tagged_beyond == MANY, pilot)
        await pilot.press("space")
        assert app._tagged_beyond == 0
        assert "199 tagged" in text_of(app)


async def test_a_filter_narrows_what_is_put_back(shown: Any, failed: QueueManager) -> None:
    async with shown() as (app, pilot):
        await pilot.press("4", "slash", *"early", "enter")
        await until(lambda: len(app._list.rows) == 3, pilot)
        await pilot.press("R")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        line = app._last_line
        await pilot.press("y")
        await until(lambda: "retried 3 jobs" in text_of(app), pilot)
    assert QueueManager.size("early") == 3
    assert str(parse(shlex.split(line)[3])) == "early"


async def test_failed_jobs_of_a_queue_are_put_back_with_samples(shown: Any) -> None:
    async with shown() as (app, pilot):
        await until(lambda: {row.key for row in app._list.rows} >= {"mail", "early"}, pilot)
        app._list.go_to([row.key for row in app._list.rows].index("early"))
        await pilot.press("R")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        assert "Put back 3 failed jobs?" in text_of(app)
        assert "Fails on early" in text_of(app)
        await pilot.press("y")
        await until(lambda: "retried 3 jobs" in text_of(app), pilot)
    assert QueueManager.size("early") == 3


async def test_clearing_shows_samples(shown: Any) -> None:
    dispatch_many([Works().on_queue("early") for _ in range(5)])
    async with shown() as (app, pilot):
        await until(lambda: {row.key for row in app._list.rows} >= {"mail", "early"}, pilot)
        app._list.go_to([row.key for row in app._list.rows].index("early"))
        await pilot.press("X")
        await until(lambda: isinstance(app.screen, Confirm), pilot)
        assert "Drop 5 waiting jobs of queue early?" in text_of(app)
        assert "Works on early" in text_of(app)
        assert "… and 2 more" in text_of(app)


async def test_it_says_how_far_it_is_and_stops(top: Any) -> None:
    async with top(several(3), deeds=Deeds(Previewed())) as (app, pilot):
        progress = Progress(250)
        app.push_screen(Working("Put back 250 failed jobs", progress))
        progress.done = 100
        await until(lambda: "100 of 250; Esc stops" in text_of(app), pilot)
        await pilot.press("escape")
        assert progress.is_stopped
        await settled(pilot)
        assert "stopping after these" in text_of(app)


def test_what_is_stopped_says_how_far_it_came(failed: QueueManager) -> None:
    deeds = Deeds(Actions(failed))
    found = deeds.found(parse(""), ["failed"])
    deed = deeds.retry_matching(parse(""), "failed", found)
    assert deed.progress is not None
    deed.progress.is_stopped = True
    said = deed.do()
    assert said.endswith(f"; stopped after {deed.progress.done} of {MANY}")
    assert 0 < deed.progress.done < MANY


async def test_a_job_in_the_tree_is_cancelled_and_not_its_worker(top: Any) -> None:
    async with top(several(3), (120, 40), deeds=Deeds(Previewed())) as (app, pilot):
        await pilot.press("2")
        job = WORKERS[0].running[0]
        app._list.go_to([row.key for row in app._list.rows].index(f"{WORKERS[0].id} {job.id}"))
        await pilot.press("K")
        await settled(pilot)
        assert isinstance(app.screen, Confirm)
        assert "Cancel 1 job?" in text_of(app)
        assert f"qctl cancel {job.id}" in app._last_line
        await pilot.press("escape", "up", "K")
        await settled(pilot)
        assert isinstance(app.screen, Choose)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("1", "A", "p"), "qctl pause"),
        (("2", "t", "A", "p"), "qctl pause --worker"),
    ],
)
async def test_shown_commands_take_several(top: Any, keys: tuple[str, ...], line: str) -> None:
    async with top(several(3), (120, 40), deeds=Deeds(Previewed())) as (app, pilot):
        await pilot.press(*keys)
        await settled(pilot)
        words = shlex.split(app._last_line)
        assert app._last_line.startswith(line)
        assert words.count("--worker") == (5 if "--worker" in line else 0)
