"""What the dashboard's charts are drawn of, and how."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from canned_pages import CannedPages
from screen_jobs import Fails, Works

from qcore import QueueManager
from qcore.monitor import Metrics, keeping
from qcore.monitor.glance import Glancer
from qcore.testing import WorkerTester
from qctl.screens.dashboard.chart import chart, resampled
from qctl.screens.dashboard.overview import status_of, tiles
from qctl.screens.dashboard.sight import PageSource


def words(number: float) -> str:
    return f"{number:g}"


@pytest.mark.parametrize(
    ("numbers", "lines"),
    [
        ([], [" |    ", " |    ", "0|****"]),
        ([0, 0, 0, 0], [" |    ", " |    ", "0|****"]),
        ([0, 2, 4, 2], ["4|  * ", " | * *", "0|*   "]),
        ([4, 4, 4, 4], ["4|****", " |    ", "0|    "]),
    ],
)
def test_a_chart_of_ascii(numbers: list[float], lines: list[str]) -> None:
    assert chart(numbers, 6, 3, words, ascii_only=True) == lines


def test_a_chart_of_braille() -> None:
    assert chart([0, 1, 2, 3, 4, 5, 6, 7], 6, 2, words) == ["7┤⠀⠀⣠⠞", "0┤⣠⠞⠁⠀"]
    assert chart([0] * 8, 6, 2, words) == [" ┤⠀⠀⠀⠀", "0┤⣀⣀⣀⣀"]


def test_fewer_and_more_numbers_than_columns() -> None:
    assert resampled([1, 2], 4) == [1, 1, 2, 2]
    assert resampled([1, 9, 2, 3], 2) == [9, 3], "a peak is never lost"
    assert resampled([], 2) == [0, 0]


def test_trends_of_runtimes_and_waits(manager: QueueManager) -> None:
    Works.dispatch()
    Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    found = Metrics(manager).of()
    for one in (found.totals, *found.jobs, *found.queues):
        assert len(one.runtime_trend) == len(one.wait_trend) == len(one.trend)
        assert [n > 0 for n in one.runtime_trend] == [n > 0 for n in one.trend]
    assert sum(found.totals.trend) == 2
    assert found.totals.runtime is not None
    assert max(found.totals.runtime_trend) == pytest.approx(found.totals.runtime.avg_s)


def test_tiles_of_a_store_on_which_nothing_was_done() -> None:
    values = {tile.label: tile.value for tile in tiles(CannedPages(empty=True).look("overview"))}
    assert (values["Status"], values["Processes"], values["Max wait"]) == ("Inactive", "0", "-")


def test_tiles_name_the_queues(manager: QueueManager) -> None:
    Works.dispatch()
    Fails.dispatch()
    WorkerTester(manager).work("mail", surface=False)
    Works().on_queue("later").dispatch()
    values = {tile.label: tile.value for tile in tiles(PageSource(manager).look("overview"))}
    assert values["Past hour"] == "2"
    assert values["Max wait"].endswith(" later")
    assert values["Failed 7 d"] == "1"
    assert values["Max runtime"].endswith(" mail")
    assert values["Max thruput"].endswith("/min mail")


def test_paused() -> None:
    workers = CannedPages().look("overview").workers
    assert status_of(workers)[0] == "Active (1 paused)"
    assert status_of([one for one in workers if one.state == "paused"])[0] == "Paused"


def test_what_takes_long_is_read_the_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now, numbers = [0.0], count()
    monkeypatch.setattr(keeping, "monotonic", lambda: now[0])

    def taking(seconds: float) -> Callable[[], int]:
        def read() -> int:
            now[0] += seconds
            return next(numbers)

        return read

    kept = keeping.Kept()
    assert kept.read(taking(3.0)) == 0
    assert kept.read(taking(2.0)) == 1, "once may be chance"
    now[0] += 39.0
    assert kept.read(taking(2.0)) == 1
    now[0] += 2.0
    assert kept.read(taking(0.0)) == 2
    assert kept.read(taking(0.0)) == 3


def test_counting_takes_a_hundredth_of_the_time_and_is_done_anew_after_a_deed(
    manager: QueueManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(keeping, "monotonic", lambda: now[0])
    store, counted = manager.connection(), count()

    def slowly(queues: Any = None) -> Any:
        next(counted)
        now[0] += 0.06
        return []

    monkeypatch.setattr(store, "counts", slowly)
    monkeypatch.setattr(store, "ping", lambda: 0.0001)
    glancer = Glancer(manager)
    glancer.look()
    for after_s in (1.0, 1.0, 2.9):  # of 60 ms, 20 are nobody's business
        now[0] += after_s
        glancer.look()
    assert next(counted) == 2, "what was counted of late is shown"
    now[0] += 0.2
    glancer.look()
    assert next(counted) == 4
    glancer.forget()
    glancer.look()
    assert next(counted) == 6, "something was done about it"
