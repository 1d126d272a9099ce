"""What the ends of attempts add to the measures: the same on every store."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from qcore.histogram import bucket_of, digits_beyond
from qcore.measures import Measure
from qcore.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qcore.measures import Cell
    from qcore.settlement import Settlement

UNMEASURED = -1
_COMPLETED = Outcome.COMPLETED
OF_OUTCOME = {"completed": Measure.COMPLETED, "failed": Measure.FAILED, "cancelled": Measure.CANCELLED}
"""As what an attempt counts that ends its job, by the outcome's word."""


def measure_of(settlement: Settlement) -> int:
    """As what an end counts; `UNMEASURED` where a job was handed back that never began."""
    if settlement.outcome is not Outcome.RELEASED:
        return OF_OUTCOME[settlement.outcome.value]
    if settlement.delay_us < 0:
        return UNMEASURED
    return Measure.RELEASED if settlement.history is None else Measure.RETRIED


def tally(settlements: Iterable[Settlement]) -> Mapping[Cell, tuple[int, int]]:
    """Count ends by queue, class, measure and bucket; with each number the sum of a measure, in one of its cells.

    It runs for every job there is: what is alike is gathered first, and counted by the library.
    """
    done: defaultdict[tuple[str, str], list[Settlement]] = defaultdict(list)
    other: defaultdict[tuple[str, str, int], list[Settlement]] = defaultdict(list)
    for s in settlements:
        if s.outcome is _COMPLETED:
            done[s.queue, s.job].append(s)
        else:
            other[s.queue, s.job, measure_of(s)].append(s)
    cells: dict[Cell, tuple[int, int]] = {}
    for (queue, job), ends in done.items():
        _count(cells, (queue, job, Measure.COMPLETED), ends)
    for kind, ends in other.items():
        if kind[2] != UNMEASURED:
            _count(cells, kind, ends)
    return cells


def _count(cells: dict[Cell, tuple[int, int]], kind: tuple[str, str, int], ends: Sequence[Settlement]) -> None:
    queue, job, _ = kind
    _add(cells, kind, [int(s.runtime_s * 1_000_000) for s in ends])
    _add(cells, (queue, job, Measure.WAIT), [s.waited_us for s in ends if s.waited_us >= 0])
    _add(cells, (queue, job, Measure.MEMORY), [s.rss_bytes for s in ends if s.rss_bytes])


def _add(cells: dict[Cell, tuple[int, int]], kind: tuple[str, str, int], amounts: Sequence[int]) -> None:
    if not amounts:
        return
    total = sum(amounts)  # what follows looks at few values, most of them without their last digits
    digits = digits_beyond(min(amounts))
    for amount, number in Counter([amount >> digits for amount in amounts]).items():
        cell = (*kind, bucket_of(amount << digits))
        before = cells.get(cell)
        cells[cell] = (number, total) if before is None else (before[0] + number, before[1] + total)
        total = 0
