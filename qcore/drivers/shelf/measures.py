"""What is measured of jobs, kept by minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.tally import tally
from qcore.measures import MINUTE_US, Reading, Span, merged, readings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qcore.measures import Cell
    from qcore.settlement import Settlement


class Measures:
    """The cells of each minute; none where measures are off."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._minutes: dict[int, dict[Cell, tuple[int, int]]] = {}

    def add(self, applied: Iterable[Settlement], now_us: int) -> None:
        """Count ends that were just applied."""
        if not self._is_on:
            return
        cells = self._minutes.setdefault(now_us // MINUTE_US, {})
        for cell, (number, total) in tally(applied).items():
            before = cells.get(cell, (0, 0))
            cells[cell] = (before[0] + number, before[1] + total)
        for minute in [minute for minute in self._minutes if minute < now_us // MINUTE_US - Span.DAY.kept]:
            del self._minutes[minute]

    def read(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """What was measured in spans that begin from one minute to before another."""
        cells = (
            (minute, cell, *amounts)
            for minute, of_minute in self._minutes.items()
            if first <= span.start_of(minute) < after
            for cell, amounts in of_minute.items()
        )
        return merged(readings_of(cells), span)
