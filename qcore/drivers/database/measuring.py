"""How a database keeps what is measured of jobs: added as they end, summed up when a minute is over.

A cell of the last minutes is one writer's own, so that no two wait for one; cells are added to in the step in which
the attempts end. Whoever sums up takes cells away and adds them to their minute, hour and day in one transaction.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.database.measurements import PLACE, Measurements
from qcore.drivers.tally import tally
from qcore.measures import EVER, Reading, Span, Spreads, merged, pack_spreads, readings_of, unpack_spreads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.settlement import Settlement

_AT_ONCE = 5000
"""Cells that one transaction sums up."""
_LATE = 1
"""Minutes for which a cell may still be added to, by a transaction that began before they were over."""


class Measuring:
    """What is measured in one store."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_on = link.settings.metrics

    @cached_property
    def _say(self) -> Measurements:
        return Measurements(self._link.tables, self._link.dialect)

    def add(self, connection: Connection, applied: Iterable[Settlement], writer: str) -> None:
        """Count ends that were just applied."""
        cells = self.cells_of(applied)
        if cells:
            self._say.add.run(connection, writer=writer, **cells)

    def cells_of(self, ends: Iterable[Settlement]) -> dict[str, Any]:
        """What ends add to the cells, as `Dialect.pack_cells` gives it; empty where that is nothing."""
        cells = tally(ends) if self._is_on else {}
        rows = [(*cell, *amounts) for cell, amounts in sorted(cells.items())]
        return self._link.dialect.pack_cells(rows) if rows else {}

    def sum_up(self) -> None:
        """Sum up the minutes that are over, unless somebody does."""
        while self._link.run(self._sum_up) == _AT_ONCE:
            pass

    def read(self, connection: Connection, span: Span, first: int, after: int) -> Sequence[Reading]:
        """What was measured in spans that begin from one minute to before another."""
        first, after = span.next_start(first), span.next_start(after)
        rows = self._say.between.run(connection, of_span=int(span), first=first, after=after).all()
        cells = self._say.cells.run(connection, first=first, after=after).all()
        return merged([*_unpacked(rows), *_readings(cells)], span)

    def _sum_up(self, connection: Connection) -> int:
        say = self._say
        if say.only_one.run(connection).first() is None:
            return 0
        now = int(say.minute_now.run(connection).scalar())
        rows = say.over.run(connection, minute=now - _LATE, most=_AT_ONCE).all()
        if not rows:
            return 0
        over = list(_readings(rows))
        for span in Span:
            self._add(connection, span, merged(over, span))
            self._forget(connection, span, now - span.kept)
        say.drop_cell.many(connection, [{f"of_{name}": row[n] for n, name in enumerate(PLACE)} for row in rows])
        return len(rows)

    def _forget(self, connection: Connection, span: Span, before: int) -> None:
        if span is Span.DAY:
            old = self._say.between.run(connection, of_span=int(span), first=EVER + 1, after=before).all()
            days = [msgspec.structs.replace(one, minute=EVER) for one in _unpacked(old)]
            self._add(connection, span, merged(days, span))
        self._say.drop_old.run(connection, of_span=int(span), before=before)

    def _add(self, connection: Connection, span: Span, readings: Iterable[Reading]) -> None:
        rows = []
        for reading in readings:
            place = {"minute": reading.minute, "queue": reading.queue, "job": reading.job, "span": int(span)}
            known = self._say.summed.run(connection, **{f"of_{name}": value for name, value in place.items()}).scalar()
            spreads = Spreads() if known is None else unpack_spreads(bytes(known))
            spreads.merge(reading.spreads)
            rows.append({**place, "spreads": pack_spreads(spreads)})
        if rows:
            self._say.sum_up.many(connection, rows)


def _unpacked(rows: Iterable[Sequence[Any]]) -> Iterable[Reading]:
    return (
        Reading(minute=minute, queue=queue, job=job, spreads=unpack_spreads(bytes(spreads)))
        for minute, queue, job, spreads in rows
    )


def _readings(rows: Iterable[Sequence[Any]]) -> Iterable[Reading]:
    return readings_of(
        (minute, (queue, job, measure, bucket), number, total)
        for minute, _, queue, job, measure, bucket, number, total in rows
    )
