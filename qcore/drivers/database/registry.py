"""Which workers there are, and what they are to be told."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import BigInteger, bindparam, delete, insert, select

from qcore.drivers.base import WORKER_KEPT_TERMS
from qcore.drivers.database.statements import Statements
from qcore.ids import new_id
from qcore.records import WorkerCommand, WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared

_ALL = "*"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WorkerRecord).decode


class DatabaseRegistry:
    """The part of the `Operator` and `Reader` faces that is about workers."""

    _link: Link

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self._link.tables, self._link.dialect)

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        """Register workers, or renew what is known of them; returns what was left for them, see `Operator.report`."""
        if not workers:
            return ()
        return self._link.run(lambda connection: self._report(connection, workers, taken))

    def dismiss(self, workers: Sequence[str]) -> None:
        """Forget workers that have ended."""
        if workers:
            ids = self._link.dialect.pack(workers)
            self._link.run(lambda connection: self._registry.dismiss.run(connection, ids=ids))

    def command(self, address: str, command: str, *, adds: bool = False) -> int:
        """Leave a command for workers; returns how many known ones it concerns."""
        return self._link.run(lambda connection: self._command(connection, address, command, adds=adds))

    def workers(self) -> Sequence[WorkerRecord]:
        """List the workers that reported lately, by supervisor and id."""
        return self._link.run(self._known, begin=())

    @property
    def _span_us(self) -> int:
        return round(WORKER_KEPT_TERMS * self._link.settings.lease_s * 1_000_000)

    def _report(
        self, connection: Connection, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand]
    ) -> list[WorkerCommand]:
        say = self._registry
        rows = [{"id": w.id, "supervisor": w.supervisor, "record": _encode(w).decode()} for w in workers]
        say.report.many(connection, sorted(rows, key=lambda row: row["id"]))
        for forget in (say.forget_workers, say.forget_commands):
            forget.run(connection, span_us=self._span_us)
        self._drop(connection, [command.id for command in taken])
        addresses = self._link.dialect.pack(sorted({name for w in workers for name in (w.id, w.supervisor)}))
        left = say.left_for.run(connection, addresses=addresses).all()
        given = {row[1]: WorkerCommand(*row) for row in reversed(left)}  # of each the oldest
        return list(given.values())

    def _command(self, connection: Connection, address: str, command: str, *, adds: bool) -> int:
        known = self._known(connection)
        concerned = [worker for worker in known if address in {_ALL, worker.id, worker.supervisor}]
        addresses = {worker.supervisor for worker in concerned} if address == _ALL else {address}
        if concerned:
            if not adds:
                self._unsay(connection, sorted(addresses), command)
            new = [{"id": new_id(), "address": address, "command": command} for address in sorted(addresses)]
            self._registry.leave.many(connection, new)
        return len(concerned)

    def _unsay(self, connection: Connection, addresses: Sequence[str], command: str) -> None:
        """Take back a command where it is the last that was left."""
        rows = self._registry.left_for.run(connection, addresses=self._link.dialect.pack(addresses))
        last = {address: (key, said) for key, address, said in rows}
        self._drop(connection, [key for key, said in last.values() if said == command])

    def _drop(self, connection: Connection, ids: Sequence[str]) -> None:
        if ids:
            self._registry.drop.run(connection, ids=self._link.dialect.pack(ids))

    def _known(self, connection: Connection) -> list[WorkerRecord]:
        rows = self._registry.known.run(connection, span_us=self._span_us)
        return [msgspec.structs.replace(_decode(row[0]), beat_us=row[1]) for row in rows]


class Registry(Statements):
    """What is said to the tables of workers and commands."""

    @cached_property
    def report(self) -> Prepared:
        """Register a worker."""
        said = ("supervisor", "record", "beat_us")
        timed: dict[str, Any] = {name: bindparam(name) for name in ("id", "supervisor", "record")}
        timed["beat_us"] = self.dialect.now
        return self.prepared(self.dialect.upsert(self.tables.workers, timed, setting=said))

    @cached_property
    def known(self) -> Prepared:
        """Record and last beat of the workers that reported within `span_us`."""
        workers = self.tables.workers.c
        lately = select(workers.record, workers.beat_us).where(workers.beat_us >= self._since())
        return self.prepared(lately.order_by(workers.supervisor, workers.id))

    @cached_property
    def dismiss(self) -> Prepared:
        """Forget the workers `ids`."""
        workers = self.tables.workers
        return self.prepared(delete(workers).where(self.dialect.among(workers.c.id, "ids")))

    @cached_property
    def forget_workers(self) -> Prepared:
        """Forget workers that have said nothing for `span_us`."""
        workers = self.tables.workers
        return self.prepared(delete(workers).where(workers.c.beat_us < self._since()))

    @cached_property
    def forget_commands(self) -> Prepared:
        """Forget commands that nobody came for within `span_us`."""
        commands = self.tables.commands
        return self.prepared(delete(commands).where(commands.c.left_us < self._since()))

    @cached_property
    def leave(self) -> Prepared:
        """Leave a command at an address, behind those that are there."""
        values: dict[str, Any] = {name: bindparam(name) for name in ("id", "address", "command")}
        return self.prepared(insert(self.tables.commands).values({**values, "left_us": self.dialect.now}))

    @cached_property
    def left_for(self) -> Prepared:
        """Key, address and command of what was left at `addresses`, oldest first, held."""
        commands = self.tables.commands.c
        left = select(commands.id, commands.address, commands.command)
        left = left.where(self.dialect.among(commands.address, "addresses"))
        return self.prepared(self.dialect.locked(left.order_by(commands.left_us, commands.id)))

    @cached_property
    def drop(self) -> Prepared:
        """Drop the commands `ids`."""
        commands = self.tables.commands
        return self.prepared(delete(commands).where(self.dialect.among(commands.c.id, "ids")))

    def _since(self) -> ColumnElement[int]:
        return self.dialect.now - bindparam("span_us", type_=BigInteger)
