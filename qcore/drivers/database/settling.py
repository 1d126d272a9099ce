"""How settlements are applied: each whole, or not at all."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from qcore.drivers.database.schema import CANCELLED, COMPLETED
from qcore.drivers.notes import notes_of
from qcore.flows import Role, role_in
from qcore.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.settlement import Settlement

T = TypeVar("T")
_COMPLETED = Outcome.COMPLETED
_NOTHING = (None, None, None, None, None, ())
_ENDED_AS = {Outcome.COMPLETED: COMPLETED, Outcome.CANCELLED: CANCELLED}


class Settling:
    """The ends of attempts, in transactions of the driver's or of its caller's."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        """Apply those whose lease is still held in a transaction of its own; returns those refused."""
        if self.may_settle_at_once(settlements):
            return self.settle_plainly(settlements)
        return self.running(settlements)(lambda connection: self.apply(connection, settlements))

    def settle_plainly(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        """As `settle`, where `may_settle_at_once` has said so: the caller has looked already."""
        if self._may_follow_nothing(settlements):
            moves, writer = self._link.moves, self._link.writer
            if self._link.run(lambda connection: moves.end_at_once(connection, settlements, writer), begin=()):
                return []
        return self.running(settlements)(lambda connection: self.apply(connection, settlements))

    def may_settle_at_once(self, settlements: Sequence[Settlement]) -> bool:
        """Whether `settle` may do with one statement: all complete, each another job, in one flow at the most."""
        return (
            self._link.moves.ends_at_once
            and bool(settlements)
            and all(map(_is_plain, settlements))
            and len({s.id for s in settlements}) == len(settlements)
            and len({s.flow for s in settlements} - {None}) <= 1
        )

    def _may_follow_nothing(self, settlements: Sequence[Settlement]) -> bool:
        """Whether what ends is likely to be counted in its flow, and no more."""
        members = [s.flow for s in settlements if s.flow is not None]
        return not members or self._link.flowing.has_room(members[0], len(members))

    def running(self, settlements: Iterable[Settlement]) -> Callable[[Callable[[Connection], T]], T]:
        """How a transaction with these ends is to run: what others may have seen of them must last."""
        lasts = any(s.pushes or s.result is not None or s.outcome is Outcome.FAILED for s in settlements)
        return self._link.run if lasts else self._link.run_lightly

    def apply(
        self, connection: Connection, settlements: Sequence[Settlement], *, is_own: bool = True
    ) -> Sequence[Settlement]:
        """Apply those whose lease is still held; returns those refused.

        Args:
            connection: in a transaction.
            settlements: one at least.
            is_own: the transaction ends with this verb. One of the caller's may last, and gets a row of counters
                of its own, for which nobody else waits.
        """
        first: dict[str, Settlement] = {}
        for settlement in settlements:
            first.setdefault(settlement.id, settlement)
        locked = [s for s in settlements if s.lock is not None or s.exclusive is not None]
        if locked:
            self._link.locking.hold(connection, locked)
        applied = self._end(connection, first)
        self._push(connection, applied)
        if notes := notes_of(applied):
            self._link.flowing.move(connection, notes)
        writer = self._link.writer if is_own else uuid.uuid4().hex
        self._count(connection, applied, writer)
        self._link.measuring.add(connection, applied, writer)
        known = {id(settlement) for settlement in applied}
        if locked:
            self._link.locking.settle(connection, [s for s in locked if id(s) in known])
        rest = [settlement for settlement in settlements if id(settlement) not in known]
        return self._refused(connection, rest) if rest else []

    def _end(self, connection: Connection, settlements: dict[str, Settlement]) -> list[Settlement]:
        groups: defaultdict[Outcome, list[Settlement]] = defaultdict(list)
        for job_id in sorted(settlements):  # all in one order, so that no two wait for each other
            groups[settlements[job_id].outcome].append(settlements[job_id])
        applied = []
        for outcome, group in groups.items():
            held = self._end_alike(connection, outcome, group)
            applied += [settlement for settlement in group if settlement.id in held]
        return applied

    def _end_alike(self, connection: Connection, outcome: Outcome, group: Sequence[Settlement]) -> Collection[str]:
        moves = self._link.moves
        if outcome is Outcome.RELEASED:
            return moves.release(connection, group)
        if outcome is Outcome.FAILED:
            return moves.fail(connection, group)
        held = moves.finish(connection, group, _ENDED_AS[outcome])
        moves.describe(connection, [settlement for settlement in group if settlement.id in held])
        return held

    def _push(self, connection: Connection, applied: Sequence[Settlement]) -> None:
        following = [envelope for settlement in applied for envelope in settlement.pushes]
        if following:
            self._link.moves.push(connection, following, bypass=True)

    def _count(self, connection: Connection, applied: Sequence[Settlement], writer: str) -> None:
        ends = Counter((settlement.queue, settlement.outcome) for settlement in applied)
        self._link.moves.count(
            connection,
            writer,
            {
                queue: (ends[queue, Outcome.COMPLETED], ends[queue, Outcome.CANCELLED])
                for queue, outcome in ends
                if outcome in _ENDED_AS
            },
        )

    def _refused(self, connection: Connection, rest: Sequence[Settlement]) -> Sequence[Settlement]:
        """One whose token ended that job in just this way is a repeat, and fine."""
        ids = self._link.dialect.pack(sorted({settlement.id for settlement in rest}))
        ends = {tuple(row) for row in self._link.statements.known_ends.run(connection, ids=ids)}
        return [s for s in rest if (s.id, s.outcome.value, s.token) not in ends]


def _is_plain(s: Settlement) -> bool:
    return (
        s.outcome is _COMPLETED
        and (s.result, s.history, s.lock, s.exclusive, s.growth, s.pushes) == _NOTHING
        and (s.flow is None or role_in(s.flow) == Role.MEMBER)
    )
