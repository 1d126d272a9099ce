"""What is measured of jobs: kept by minute while one is under way, and summed up when another begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.tally import tally
from qcore.measures import EVER, MINUTE_US, Reading, Span, merged, readings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qcore.measures import Cell
    from qcore.settlement import Settlement

    Cells = dict[Cell, tuple[int, int]]


class Measures:
    """The cells of each minute, hour and day; none where measures are off."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._fresh: dict[int, Cells] = {}
        """The minute under way, in no sum yet."""
        self._sums: dict[Span, dict[int, Cells]] = {span: {} for span in Span}
        self._ever: Cells = {}
        """The days that are no longer kept."""

    def add(self, applied: Iterable[Settlement], now_us: int) -> None:
        """Count ends that were just applied."""
        if not self._is_on:
            return
        minute = now_us // MINUTE_US
        if minute not in self._fresh:
            self._sum_up(minute)
            self._fresh[minute] = {}
        _merge(self._fresh[minute], tally(applied))

    def read(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """What was measured in spans that begin from one minute to before another."""
        kept = [*self._sums[span].items(), *self._fresh.items()]
        if span is Span.DAY:
            kept.append((EVER, self._ever))
        cells = (
            (minute, cell, *amounts)
            for minute, of_minute in kept
            if first <= span.start_of(minute) < after
            for cell, amounts in of_minute.items()
        )
        return merged(readings_of(cells), span)

    def _sum_up(self, now: int) -> None:
        for minute, cells in self._fresh.items():
            for span, sums in self._sums.items():
                _merge(sums.setdefault(span.start_of(minute), {}), cells)
        self._fresh.clear()
        for span, sums in self._sums.items():
            while sums and (oldest := next(iter(sums))) < now - span.kept:
                old = sums.pop(oldest)
                if span is Span.DAY:
                    _merge(self._ever, old)


def _merge(cells: Cells, added: Mapping[Cell, tuple[int, int]]) -> None:
    for cell, (number, total) in added.items():
        before = cells.get(cell, (0, 0))
        cells[cell] = (before[0] + number, before[1] + total)
