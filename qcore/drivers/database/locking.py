"""How jobs take keys and free them: rows of one table, each the property of one job.

Whoever needs several rows of locks holds them in order, so that no two wait for each other. A push and an end hold
them before those of jobs, a start after: it proves its lease first. Where the two meet over one job, of which a stale
worker still tells, the database ends one of them, and it is repeated.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from qcore.drivers.claims import Decision, Holder, ask_again_us, decide
from qcore.drivers.database.locks import LockStatements
from qcore.drivers.database.schema import EXCLUSIVE, LEASED, UNIQUE, UNTIL_START
from qcore.envelope import Started, StartVerdict
from qcore.errors import QueueError
from qcore.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.envelope import Envelope, Start, Unique
    from qcore.settlement import Settlement


class _Claim(NamedTuple):
    """A lock to be taken."""

    name: str
    owner: str
    kind: int
    for_us: int


class Locking:
    """The locks of one store; the caller owns the transaction."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pack = link.dialect.pack

    @cached_property
    def say(self) -> LockStatements:
        """What is said to the tables."""
        return LockStatements(self._link.tables, self._link.dialect)

    # --- push -------------------------------------------------------------------------------------------------

    def push(self, connection: Connection, envelopes: Sequence[Envelope], *, is_own: bool = True) -> Collection[str]:
        """Store those that are not live yet and get their locks; returns the ids of those refused.

        Args:
            connection: in a transaction.
            envelopes: one at least.
            is_own: the transaction ends with this verb; one of the caller's may see the store as it was.

        Raises:
            QueueFullError: a queue has no room; nothing was changed.
        """
        moves = self._link.moves
        live = moves.among(connection, self._link.statements.live_ids, [e.id for e in envelopes])
        new = list({e.id: e for e in envelopes if e.id not in live}.values())
        refused: Collection[str] = ()
        if is_own or self._link.dialect.sees_latest:
            refused = self._refused_at_once(connection, new)
        wanted = [e for e in new if e.id not in refused]
        unique = {e.id: e.unique for e in wanted if e.unique is not None}
        if unique:
            return {*refused, *self._decided(connection, wanted, unique)}
        if wanted:
            moves.push(connection, wanted)
        return refused

    def _refused_at_once(self, connection: Connection, envelopes: Iterable[Envelope]) -> set[str]:
        """The ids of those whose lock is surely another's: whoever is refused must hold up nobody."""
        asking = {e.id: e.unique.key for e in envelopes if e.unique is not None and not e.unique.replaces}
        if not asking:
            return set()
        held = self.say.lasting.run(connection, names=self._pack(sorted(set(asking.values())))).scalars()
        return {job_id for job_id, key in asking.items() if key in held}

    def _decided(self, connection: Connection, new: Sequence[Envelope], unique: dict[str, Unique]) -> Collection[str]:
        claims = {u.key: _claim(job_id, u) for job_id, u in reversed(unique.items())}  # the first of a key asks for it
        now_us, holders = self._holders(connection, list(claims.values()), replacing=list(unique.values()))
        fresh = [key for key, claim in claims.items() if holders[key].owner == claim.owner]
        decision = decide(new, {key: held for key, held in holders.items() if key not in fresh}, now_us)
        self._store(connection, decision, fresh)
        self._give(connection, decision, unique, holders)
        return decision.refused

    def _store(self, connection: Connection, decision: Decision, fresh: Sequence[str]) -> None:
        """Store what is admitted; those that replace another need no room."""
        moves = self._link.moves
        admitted = decision.admitted
        if not admitted:
            return
        try:
            entering = [e for e in admitted if e.id not in decision.replaced]
            if any(not e.bypass_capacity for e in entering):
                moves.check_room(connection, entering)
        except QueueError:
            self._free_fresh(connection, decision, fresh)  # the transaction may be the caller's, and go on
            raise
        moves.push(connection, admitted, bypass=True)

    def _free_fresh(self, connection: Connection, decision: Decision, fresh: Sequence[str]) -> None:
        owners = sorted({e.id for e in decision.admitted if e.unique is not None and e.unique.key in fresh})
        if owners:
            self.say.free.run(connection, ids=self._pack(owners))

    def _give(
        self, connection: Connection, decision: Decision, unique: dict[str, Unique], holders: dict[str, Holder]
    ) -> None:
        """Let the admitted have their locks, and end whom they replace."""
        if not decision.taken:
            return
        asked = [(e.id, unique[e.id]) for e in decision.admitted if e.id in unique]
        marks = [_mark(job_id, one) for job_id, one in asked]
        self.say.mark_job.many(connection, marks)
        moved = [
            _taking_over(_claim(holder.owner, unique[holder.owner]), holder.first_us)
            for key, holder in sorted(decision.taken.items())
            if holder.owner != holders[key].owner
        ]
        if moved:
            self.say.take_over.many(connection, moved)
        if decision.replaced:
            rows = self.say.to_cancel.run(connection, ids=self._pack(list(decision.replaced.values())))
            self.end_waiting(connection, {job_id: queue for job_id, queue, _ in rows})

    def end_waiting(self, connection: Connection, waiting: dict[str, str]) -> None:
        """End jobs that wait, by id and with their queues, as cancelled; their locks are free, and their slots."""
        packed = self._pack(list(waiting))
        self.say.cancel.run(connection, ids=packed)
        self.say.drop.run(connection, ids=packed)
        self.say.free.run(connection, ids=packed)
        self._link.limiting.give_back(connection, list(waiting))
        ends = {queue: (0, number) for queue, number in Counter(waiting.values()).items()}
        self._link.moves.count(connection, self._link.writer, ends)

    # --- start ------------------------------------------------------------------------------------------------

    def start(self, connection: Connection, starts: Sequence[Start]) -> list[Started]:
        """Let leased jobs begin, each with all that it needs or not at all."""
        ids = self._pack(sorted({start.id for start in starts}))
        held = {(job_id, token) for job_id, token, _ in self._link.statements.hold.run(connection, ids=ids)}
        wanted = [
            _Claim(start.exclusive.key, start.id, EXCLUSIVE, start.exclusive.expire_us)
            for start in starts
            if start.exclusive is not None and (start.id, start.token) in held
        ]
        now_us, holders = self._claim(connection, wanted)
        answers = [_answer(start, held, holders, now_us) for start in starts]
        answers = self._limited(connection, starts, answers)
        begun = [s.id for s, a in zip(starts, answers, strict=True) if a.verdict is StartVerdict.STARTED and s.lock]
        if begun:
            self.say.free_until_start.run(connection, ids=self._pack(begun))
        return answers

    def _limited(self, connection: Connection, starts: Sequence[Start], answers: list[Started]) -> list[Started]:
        """Of those that may start let each start by its limits; one that may not gives back the key it has taken."""
        asking = [
            start
            for start, answer in zip(starts, answers, strict=True)
            if start.limits and answer.verdict is StartVerdict.STARTED
        ]
        rulings = self._link.limiting.start(connection, asking)
        later = {job_id: ruling for job_id, ruling in rulings.items() if ruling.is_left or ruling.slot is not None}
        kept_back = [start.id for start in asking if start.exclusive is not None and start.id in later]
        if kept_back:
            self.free_exclusive(connection, kept_back)
        return [
            Started(StartVerdict.LATER, later[start.id].wait_us, is_slot=not later[start.id].is_left)
            if start.id in later
            else answer
            for start, answer in zip(starts, answers, strict=True)
        ]

    # --- ends -------------------------------------------------------------------------------------------------

    def hold(self, connection: Connection, settlements: Iterable[Settlement]) -> None:
        """Hold the rows that these ends free, before any of a job."""
        keys = {key for s in settlements for key in (s.lock, s.exclusive) if key is not None}
        if keys:
            self.say.holders.run(connection, names=self._pack(sorted(keys)))

    def settle(self, connection: Connection, settlements: Iterable[Settlement]) -> None:
        """Free what jobs held that ended so; one that was released keeps its unique lock."""
        ended: dict[bool, list[str]] = {True: [], False: []}
        for s in settlements:
            ended[s.outcome is not Outcome.RELEASED].append(s.id)
        if ended[True]:
            self.free(connection, ended[True])
        if ended[False]:
            self.free_exclusive(connection, ended[False])

    def free(self, connection: Connection, ids: Iterable[str]) -> None:
        """Free all that jobs hold, one at least."""
        self.say.free.run(connection, ids=self._pack(sorted(ids)))

    def free_exclusive(self, connection: Connection, ids: Iterable[str]) -> None:
        """Free what jobs held for the time of their leases, one at least."""
        self.say.free_exclusive.run(connection, ids=self._pack(sorted(ids)))

    def refused_again(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Let failed jobs have the locks again that they once asked for; returns those of whom others hold theirs."""
        rows = self.say.asked.run(connection, ids=self._pack(ids)).all() if ids else []
        asked = {row[1]: row for row in rows}
        return asked.keys() - self.take_free(connection, [asked[job_id] for job_id in ids if job_id in asked])

    def take_free(self, connection: Connection, asked: Iterable[Sequence[Any]]) -> set[str]:
        """Let jobs have the locks they ask for, each as `LOCK`, as far as those are free; returns whose they are."""
        claims: dict[str, _Claim] = {}
        for row in asked:
            claims.setdefault(row[0], _Claim(*row))
        _, holders = self._claim(connection, list(claims.values()))
        return {claim.owner for claim in claims.values() if holders[claim.name].owner == claim.owner}

    def take(self, connection: Connection, key: str, owner: str, for_us: int) -> bool:
        """Take one lock; whether it is the owner's now."""
        _, holders = self._claim(connection, [_Claim(key, owner, UNIQUE, for_us)])
        return holders[key].owner == owner

    # --- rows -------------------------------------------------------------------------------------------------

    def _claim(self, connection: Connection, claims: Sequence[_Claim]) -> tuple[int, dict[str, Holder]]:
        """Take what is free, or whose time has run out; returns the instant and who holds each key then."""
        if not claims:
            return 0, {}
        now_us, holders = self._holders(connection, claims)
        over = {claim.name: claim for claim in claims if holders[claim.name].is_over(now_us)}
        if over:
            self.say.take_over.many(connection, [_taking_over(claim, now_us) for claim in over.values()])
        taken = {name: Holder(owner=claim.owner, first_us=now_us) for name, claim in over.items()}
        return now_us, {**holders, **taken}

    def _holders(
        self, connection: Connection, claims: Sequence[_Claim], replacing: Iterable[Unique] = ()
    ) -> tuple[int, dict[str, Holder]]:
        """Take what is free; returns the instant and who holds each key then, those rows locked."""
        rows = [claim._asdict() for claim in sorted(claims)]
        self.say.claim.many(connection, rows)
        held = self.say.holders.run(connection, names=self._pack(sorted({claim.name for claim in claims}))).all()
        keys = {unique.key for unique in replacing if unique.replaces}
        owners = [row[1] for row in held if row[0] in keys]
        waiting = self._waiting(connection, owners) if owners else set()
        holders = {
            name: Holder(owner=owner, first_us=first_us, until_us=until_us, is_waiting=owner in waiting)
            for name, owner, first_us, until_us, _ in held
        }
        return held[0][-1], holders

    def _waiting(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        rows = self.say.to_cancel.run(connection, ids=self._pack(sorted(ids)))
        return {job_id for job_id, _, state in rows if state != LEASED}


def _claim(job_id: str, unique: Unique) -> _Claim:
    return _Claim(unique.key, job_id, UNTIL_START if unique.until_start else UNIQUE, unique.for_us)


def _mark(job_id: str, unique: Unique) -> dict[str, object]:
    claim = _claim(job_id, unique)
    return {
        "job_id": job_id,
        "its_lock_name": claim.name,
        "its_lock_kind": claim.kind,
        "its_lock_for_us": claim.for_us,
    }


def _taking_over(claim: _Claim, began_us: int) -> dict[str, object]:
    return {
        "of_name": claim.name,
        "new_owner": claim.owner,
        "new_kind": claim.kind,
        "began_us": began_us,
        "for_us": claim.for_us,
    }


def _answer(start: Start, held: set[tuple[str, str]], holders: dict[str, Holder], now_us: int) -> Started:
    if (start.id, start.token) not in held:
        return Started(StartVerdict.LOST)
    if start.exclusive is not None:
        holder = holders[start.exclusive.key]
        if holder.owner != start.id:
            return Started(StartVerdict.LATER, ask_again_us(holder.until_us, now_us))
    return Started(StartVerdict.STARTED)
