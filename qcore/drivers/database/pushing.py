"""How jobs come into a store: each once, as far as its end is remembered."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, union_all

from qcore.drivers.database.statements import Statements
from qcore.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared
    from qcore.envelope import Envelope


class PushStatements(Statements):
    """What is said of jobs that have ended, as others come."""

    @cached_property
    def ended_ids(self) -> Prepared:
        """Which of `ids` have ended, and are remembered."""
        ended = (select(t.c.id).where(self.dialect.among(t.c.id, "ids")) for t in (self.finished, self.failed))
        return self.prepared(union_all(*ended))

    @cached_property
    def last_ended(self) -> Prepared:
        """The largest id that has ended, of the finished jobs and of the failed ones; none where there is none."""
        last = (select(func.max(table.c.id)).scalar_subquery() for table in (self.finished, self.failed))
        return self.prepared(select(*last))


class Pushing:
    """The pushes of one store, each in a transaction of its own or in the caller's."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @cached_property
    def say(self) -> PushStatements:
        """What is said to the tables."""
        return PushStatements(self._link.tables, self._link.dialect)

    def push(self, envelopes: Sequence[Envelope], within: Any, repeat: bool) -> Collection[str]:
        """Store envelopes, one at least; returns the ids that unique locks refused. See `Driver.push`."""
        if within is None:
            return self._push_alone(envelopes, repeat)
        return self._link.inside(lambda connection: self._push(connection, envelopes, repeat, is_own=False), within)

    def _push(
        self, connection: Connection, envelopes: Sequence[Envelope], repeat: bool, *, is_own: bool = True
    ) -> Collection[str]:
        """Push in a transaction."""
        ended = self._ended(connection, envelopes)
        envelopes = [envelope for envelope in envelopes if envelope.id not in ended] if ended else envelopes
        refused: Collection[str] = ()
        if any(envelope.unique is not None for envelope in envelopes):
            refused = self._link.locking.push(connection, envelopes, is_own=is_own)
        elif envelopes:
            self._link.moves.push(connection, envelopes)
        if repeat and envelopes and (ended := self._ended(connection, envelopes)):
            self._unpush(connection, ended)
        return refused

    def _ended(self, connection: Connection, envelopes: Sequence[Envelope]) -> set[str]:
        """The ids of those that have ended. Ids grow with time: hardly one of a new job is below one that has ended."""
        last = max(filter(None, self.say.last_ended.run(connection).one()), default="")
        asked = [envelope.id for envelope in envelopes if envelope.id <= last]
        return self._link.moves.among(connection, self.say.ended_ids, asked) if asked else set()

    def _unpush(self, connection: Connection, ids: Collection[str]) -> None:
        """Take back what this push has stored of jobs that ended while it looked: they live no more, so it is ours."""
        self._link.statements.drop.run(connection, ids=self._link.dialect.pack(sorted(ids)))
        self._link.locking.free(connection, ids)

    def _push_alone(self, envelopes: Sequence[Envelope], repeat: bool) -> Collection[str]:
        """Push in a transaction of its own, or by one statement that needs none."""
        moves = self._link.moves
        is_unsure = False  # a connection broke off, and nobody knows how far the statement had come

        def at_once(connection: Connection) -> bool:
            nonlocal is_unsure
            if is_unsure or (len(envelopes) > 1 and self._ended(connection, envelopes)):
                return False
            try:
                return moves.push_at_once(connection, envelopes)
            except BaseException as error:
                is_unsure = self._link.is_gone(error)
                raise

        is_short = moves.pushes_at_once or len(envelopes) == 1
        is_usual = is_short and not repeat and all(e.queue in moves.known and e.unique is None for e in envelopes)
        if is_usual and self._link.run(at_once, begin=()):
            return ()
        try:
            refused = self._link.run(lambda connection: self._push(connection, envelopes, repeat or is_unsure))
        except ConnectionFailed as failure:
            failure.may_have_reached = failure.may_have_reached or is_unsure
            raise
        moves.known.update(envelope.queue for envelope in envelopes if envelope.id not in refused)
        return refused
