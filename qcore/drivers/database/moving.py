"""How an operator moves jobs: to other queues, and to other times."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, case, select, update

from qcore.drivers.database.schema import DELAYED, LEASED, READY
from qcore.drivers.database.statements import Statements, literally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table, Update

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared
    from qcore.drivers.operator import Move


class MoveStatements(Statements):
    """What is said of jobs that move, each built and compiled at its first use and kept."""

    @cached_property
    def waiting(self) -> Prepared:
        """Id and queue of those of `ids` that wait, held."""
        jobs = self.jobs.c
        chosen = select(jobs.id, jobs.queue).where(self.dialect.among(jobs.id, "ids"), self._waits)
        return self.prepared(self.dialect.locked(chosen.order_by(jobs.id)))

    @cached_property
    def put_off(self) -> Prepared:
        """Let the jobs `ids`, which the transaction holds, be due `delay_us` from now; with none, now or before."""
        return self.prepared(self._put_off().where(self.dialect.among(self.jobs.c.id, "ids")))

    @cached_property
    def put_one_off(self) -> Prepared:
        """The same of the job `job_id`."""
        return self.prepared(self._put_off().where(self.jobs.c.id == bindparam("job_id")))

    def _put_off(self) -> Update:
        delay, now, due_us = bindparam("delay_us", type_=BigInteger), self.dialect.now, self.jobs.c.due_us
        is_later = delay > literally(0)
        state = case((is_later, literally(DELAYED)), else_=literally(READY))
        return update(self.jobs).values(
            due_us=case((is_later, now + delay), (due_us < now, due_us), else_=now), state=state
        )

    @cached_property
    def move_waiting(self) -> Prepared:
        """Let the job `job_id` be of the queue `to_queue` and have the payload `new`, if it waits and has `old`."""
        return self.prepared(self._moving(self.jobs).where(self._waits))

    @cached_property
    def move_failed(self) -> Prepared:
        """The same, if it has failed."""
        return self.prepared(self._moving(self.failed))

    def _moving(self, table: Table) -> Update:
        kind = table.c.payload.type
        values: dict[str, Any] = {"queue": bindparam("to_queue"), "payload": bindparam("new", type_=kind)}
        has_old = table.c.payload == bindparam("old", type_=kind)
        return update(table).values(values).where(table.c.id == bindparam("job_id"), has_old)

    @property
    def _waits(self) -> ColumnElement[bool]:
        return self.jobs.c.state != literally(LEASED)


class Moving:
    """How jobs of one store move; the caller owns the transaction."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @cached_property
    def _say(self) -> MoveStatements:
        return MoveStatements(self._link.tables, self._link.dialect)

    def release(self, connection: Connection, ids: Sequence[str], delay_us: int) -> Sequence[str]:
        """Let jobs that wait be due so long from now; returns their ids."""
        pack = self._link.dialect.pack
        waiting = {row[0]: row[1] for row in self._say.waiting.run(connection, ids=pack(ids))}
        if waiting:
            self._say.put_off.run(connection, ids=pack(list(waiting)), delay_us=delay_us)
            self._link.moves.announce(connection, waiting.values())
        return [job_id for job_id in dict.fromkeys(ids) if job_id in waiting]

    def put_off(self, connection: Connection, delays_us: Mapping[str, int]) -> None:
        """Let jobs that the transaction has stored be due each so long from now."""
        rows = [{"job_id": job_id, "delay_us": delay_us} for job_id, delay_us in delays_us.items() if delay_us > 0]
        if rows:
            self._say.put_one_off.many(connection, rows)

    def move(self, connection: Connection, moves: Sequence[Move]) -> Sequence[str]:
        """Let jobs that wait, or have failed, go to other queues; returns their ids."""
        queues = sorted({move.queue for move in moves})
        self._link.statements.know_queue.many(connection, [{"name": queue} for queue in queues])
        done = {}
        for move in sorted(moves):  # in id order, as all who hold several rows
            values = {"job_id": move.id, "to_queue": move.queue, "old": move.old, "new": move.new}
            for statement in (self._say.move_waiting, self._say.move_failed):
                if statement.run(connection, **values).rowcount:
                    done[move.id] = move.queue
                    break
        if done:
            self._link.moves.announce(connection, done.values())
        return [move.id for move in moves if move.id in done]
