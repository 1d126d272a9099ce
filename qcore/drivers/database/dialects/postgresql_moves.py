"""How jobs move on PostgreSQL: whole steps in one statement each."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING

import psycopg

from qcore.drivers.database.dialects import arrays
from qcore.drivers.database.moves import Moves, encode_tags, ended_rows, in_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.dialects.postgresql import PostgreSQL
    from qcore.drivers.database.dialects.postgresql_statements import PostgreSQLStatements
    from qcore.envelope import Envelope, Lease
    from qcore.settlement import Settlement

_UNEXPECTED = frozenset({"22P02", "23505"})
"""A lease is not held any more, something follows, an id is no UUID; a job ended before, under the same id."""
_id = attrgetter("id")


class PostgreSQLMoves(Moves):
    """A server that answers from what it changes, and tells those who listen."""

    say: PostgreSQLStatements
    dialect: PostgreSQL
    pushes_at_once = True
    takes_at_once = True
    works_in_parallel = True
    ends_at_once = True

    @property
    def _lightly(self) -> bool:
        """Whether what a crash may take back whole is not to wait for the disk."""
        return self.dialect.settings.durability != "full"

    def get_ready(self) -> None:
        """Compile the forms of statements that this store is told."""
        for flag in (True, False):
            self.say.take_alone(self._lightly, flag)
            self.say.end_at_once(self._lightly, flag)

    def push(self, connection: Connection, envelopes: Sequence[Envelope], *, bypass: bool = False) -> None:
        """Store the envelopes that are not live yet; `bypass` lets all of them into a full queue."""
        self.know(connection, envelopes)
        if bypass:
            self._store(connection, envelopes, [])
        elif not self.push_at_once(connection, envelopes):
            self.check_room(connection, envelopes)
            self._store(connection, envelopes, [])

    def push_at_once(self, connection: Connection, envelopes: Sequence[Envelope]) -> bool:
        """Store the envelopes by one statement; not where a queue has a limit, for that is to be counted first."""
        if len(envelopes) == 1:
            return super().push_at_once(connection, envelopes)
        entering = {envelope.queue for envelope in envelopes if not envelope.bypass_capacity}
        return self._store(connection, envelopes, sorted(entering))

    def _store(self, connection: Connection, envelopes: Sequence[Envelope], entering: list[str]) -> bool:
        limits, _ = self.say.push_all.run(
            connection,
            ids=arrays.texts([e.id for e in envelopes]),
            jobs=arrays.texts([e.job for e in envelopes]),
            queues=arrays.texts([e.queue for e in envelopes]),
            ranks=arrays.bigs([-e.priority for e in envelopes]),
            due_uss=arrays.bigs([e.due_us for e in envelopes]),
            delay_uss=arrays.bigs([e.delay_us for e in envelopes]),
            flows=arrays.texts([e.flow for e in envelopes]),
            tagss=arrays.texts([encode_tags(e.tags).decode() if e.tags else None for e in envelopes]),
            payloads=arrays.blobs([e.payload for e in envelopes]),
            entering=arrays.texts(entering),
            channel=self.dialect.channel,
        ).one()
        return bool(limits == 0)

    def take(self, connection: Connection, queue: str, limit: int, token: str) -> list[Lease]:
        """Lease the first ready jobs of a queue."""
        taken = self.say.take.run(connection, queue=queue, most=limit, token=token, term_us=self.term_us)
        return in_order(taken.all(), token)

    def take_alone(self, connection: Connection, queue: str, limit: int, token: str) -> list[Lease]:
        """Lease the first ready jobs of a queue, by one statement that is its own transaction."""
        return self._take_alone(connection, queue, limit, token, unless_due=False)

    def reserve_alone(self, connection: Connection, queues: Sequence[str], limit: int, token: str) -> list[Lease]:
        """Lease by one statement where there are enough jobs in the first queue and no delayed one has become due."""
        leases: list[Lease] = []
        has_looked = False
        for place, queue in enumerate(queues):
            if len(leases) == limit:
                break
            taken = self._take_alone(connection, queue, limit - len(leases), token, unless_due=True)
            if not taken and not has_looked and self.promote(connection, queues):
                return leases + self.reserve(connection, queues[place:], limit - len(leases), token, self.take_alone)
            has_looked = has_looked or not taken
            leases += taken
        return leases

    def _take_alone(
        self, connection: Connection, queue: str, limit: int, token: str, *, unless_due: bool
    ) -> list[Lease]:
        say = self.say.take_alone(self._lightly, unless_due)
        taken = say.run(connection, queue=queue, most=limit, token=token, term_us=self.term_us)
        return in_order(taken.all(), token)

    def finish(self, connection: Connection, settlements: Sequence[Settlement], ended_as: int) -> Collection[str]:
        """Move jobs to the finished ones; returns the ids whose lease was still held."""
        groups: defaultdict[str, list[Settlement]] = defaultdict(list)
        for settlement in settlements:
            groups[settlement.token].append(settlement)
        held: set[str] = set()
        for token, group in groups.items():
            rows = self.dialect.pack_rows(sorted(ended_rows(group)))
            del rows["tokens"]
            held.update(self.say.finish_all.run(connection, ended_as=ended_as, token=token, **rows).scalars())
        return held

    def end_at_once(self, connection: Connection, ends: Sequence[Settlement], writer: str) -> bool:
        """Complete jobs, count and measure them by one statement; see `Moves.end_at_once`."""
        ordered = sorted(ends, key=_id)
        tokens = {token: place for place, token in enumerate({s.token for s in ends}, 1)}
        cells = self.link.measuring.cells_of(ends)
        flow = next((s.flow for s in ends if s.flow is not None), None)
        counted = {} if flow is None else {"flow_id": flow}
        say = self.say.end_at_once(self._lightly, bool(cells), in_flow=flow is not None)
        try:
            say.run(
                connection,
                ids=arrays.texts([s.id for s in ordered]),
                tokens=arrays.texts(list(tokens)),
                ofs=arrays.ints([tokens[s.token] for s in ordered]),
                attemptss=arrays.ints([s.attempts for s in ordered]),
                exceptionss=arrays.ints([s.exceptions for s in ordered]),
                runtime_uss=arrays.bigs([round(s.runtime_s * 1_000_000) for s in ordered]),
                writer=writer,
                **cells,
                **counted,
            )
        except psycopg.Error as error:
            if error.sqlstate not in _UNEXPECTED:
                raise
            return False
        return True

    def announce(self, connection: Connection, queues: Iterable[str]) -> None:
        """Tell those who listen, at the commit."""
        names = sorted(set(queues))
        if names:
            self.say.tell.run(connection, queues=arrays.texts(names), channel=self.dialect.channel)
