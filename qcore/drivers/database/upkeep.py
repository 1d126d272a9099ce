"""What keeps a store small: done as jobs end, a little at a time, never by a scan."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

from qcore.drivers import base
from qcore.drivers.database.schema import CANCELLED, COMPLETED, FOREVER_US
from qcore.drivers.database.trimming import Trimming
from qcore.errors import ConnectionFailed, QueueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link

_EVERY = 4000
"""Ends of a queue between two trims by one driver."""
_AT_ONCE = 2 * _EVERY
"""More than what comes in between, so that a window that had grown shrinks."""
_STORED = 50_000
"""Jobs that one driver stores before readers are spared a look at each."""
_SWEEP_S = 60.0
_COUNTERS_KEPT = 256
"""Rows of counters, a few for each process that ever ended a job, before they are added up."""
FOLDED = ""
"""The writer of the rows that hold the sums."""


class Upkeep:
    """The share of one driver in it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ends: dict[str, int] = {}
        self._stored = 0
        self._swept_at = time.monotonic()
        self._has_folded = False

    @cached_property
    def _trimming(self) -> Trimming:
        return Trimming(self._link.tables, self._link.dialect)

    def note(self, queues: Iterable[str]) -> None:
        """Note the queue of each job that ended, and trim those of which many did."""
        for queue, number in Counter(queues).items():
            if queue not in self._ends:
                # a process that ends fewer jobs than that in its life does its share by chance
                self._ends[queue] = random.randrange(_EVERY)  # noqa: S311  no secret
            self._ends[queue] += number
            if self._ends[queue] >= _EVERY:
                self._ends[queue] = 0
                self._quietly(partial(self._trim, queue))
        if self._ends and not self._has_folded:
            self._has_folded = True
            self._quietly(self._fold)

    def stored(self, number: int) -> None:
        """Note that jobs were stored; after very many, let readers count them without looking at each."""
        self._stored += number
        if self._stored >= _STORED:
            self._stored = 0
            statement = self._link.dialect.spare_readers(self._link.tables.jobs)
            if statement:
                with suppress(QueueError):  # they are stored, and a count only takes longer
                    self._link.once(statement)

    def sweep(self) -> None:
        """Trim every queue, once a minute at the most: one may have gone quiet."""
        if time.monotonic() >= self._swept_at + _SWEEP_S:
            self._swept_at = time.monotonic()
            self._quietly(self._sweep)

    def _quietly(self, work: Callable[[], None]) -> None:
        """What was asked for is done already; what fails here is done the next time."""
        with suppress(ConnectionFailed):
            work()

    def _sweep(self) -> None:
        names = self._trimming.queue_names
        for queue in self._link.run(lambda connection: names.run(connection).scalars(), begin=()):
            self._trim(queue)
        self._link.run_lightly(self._link.locking.say.forget_over.run)
        self._link.run_lightly(self._link.limiting.forget_over)
        self._link.run_lightly(self._link.flowing.forget_old)
        self._link.run_lightly(self._link.dropping.forget_old)
        self._link.measuring.sum_up()
        self._fold()

    def _trim(self, queue: str) -> None:
        for ended_as in (COMPLETED, CANCELLED):
            self._link.run_lightly(partial(self._trim_in, queue=queue, ended_as=ended_as))

    def _trim_in(self, connection: Connection, *, queue: str, ended_as: int) -> None:
        say, pack, at_once = self._trimming, self._link.dialect.pack, self._link.moves.drops_at_once
        over = say.over_results.run(connection, most=_AT_ONCE).scalars()
        if over:
            say.drop_results.run(connection, ids=pack(over))
        window = {"queue": queue, "ended_as": ended_as}
        full_us = say.over_full.run(connection, skip=base.COMPLETED_KEPT, **window).scalar()
        bounds = [(FOREVER_US, base.COMPLETED_KEPT_S)]
        if full_us is not None:
            bounds.append((full_us, base.COMPLETED_FRESH_S))
        for until_us, old_s in bounds:
            bound = {"until_us": until_us, "old_us": old_s * 1_000_000, "most": _AT_ONCE}
            if at_once:
                say.drop_old.run(connection, **bound, **window)
            elif old := say.too_old.run(connection, **bound, **window).scalars():
                say.drop_finished.run(connection, ids=pack(old))

    def _fold(self) -> None:
        say = self._trimming
        rows = self._link.run(lambda connection: int(say.counter_rows.run(connection).scalar()), begin=())
        if rows > _COUNTERS_KEPT:
            self._link.run(self._fold_in)

    def _fold_in(self, connection: Connection) -> None:
        """Add rows up that nobody is writing to; their writers, if they live, begin new ones."""
        say = self._trimming
        rows = say.counters.run(connection, folded=FOLDED, most=_AT_ONCE).all()
        sums: dict[str, tuple[int, int]] = {}
        for _, queue, completed, cancelled in rows:
            before = sums.get(queue, (0, 0))
            sums[queue] = (before[0] + completed, before[1] + cancelled)
        if rows:
            say.drop_counter.many(connection, [{"of_writer": row[0], "of_queue": row[1]} for row in rows])
            self._link.moves.count(connection, FOLDED, sums)
