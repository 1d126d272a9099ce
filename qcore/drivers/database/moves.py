"""How jobs move: each move takes many jobs through one or a few statements of a transaction.

Every database can do what stands here: lock what is to change, then change it by key. One that answers from an
update does some of it in one statement less; its dialect says how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qcore.drivers.database.schema import CANCEL_HARD, DELAYED, READY
from qcore.drivers.database.statements import LEASE_COLUMNS
from qcore.envelope import Lease
from qcore.errors import QueueFullError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared
    from qcore.envelope import Envelope
    from qcore.settlement import Settlement

Take = Callable[["Connection", str, int, str], "list[Lease]"]
"""How ready jobs of a queue are leased: so many, under a token."""

_PROMOTED_AT_ONCE = 1000
_INSTANT = len(LEASE_COLUMNS) + 1
_RANK = LEASE_COLUMNS.index("rank")
_TAGS = LEASE_COLUMNS.index("tags")

encode_tags = msgspec.json.Encoder().encode
decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class Moves:
    """What may happen to the jobs of one store; the caller owns the transaction."""

    looks_first: ClassVar[bool] = False
    """Whether a reserve that may find nothing is better preceded by a look."""

    pushes_at_once: ClassVar[bool] = False
    """Whether many jobs are stored by one statement, outside of any transaction."""

    takes_at_once: ClassVar[bool] = False
    """Whether a reserve by itself is better made of single statements, outside of any transaction."""

    works_in_parallel: ClassVar[bool] = False
    """Whether the server does two steps on two connections sooner than both on one."""

    ends_at_once: ClassVar[bool] = False
    """Whether jobs may complete, and be counted, by one statement outside of any transaction (`end_at_once`)."""

    drops_at_once: ClassVar[bool] = False
    """Whether a statement may choose the rows that it deletes from the same table."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.dialect = link.dialect
        self.say = link.statements
        self.term_us = round(link.settings.lease_s * 1_000_000)
        self.known: set[str] = set()
        """Queues that the store is known to know; added to after a commit alone."""

    def get_ready(self) -> None:
        """Compile what workers say again and again, where that is not all of `Statements`."""

    # --- in ---------------------------------------------------------------------------------------------------

    def push(self, connection: Connection, envelopes: Sequence[Envelope], *, bypass: bool = False) -> None:
        """Store the envelopes that are not live yet; `bypass` lets all of them into a full queue."""
        queues = self.know(connection, envelopes)
        limits = self.say.limits.run(connection, names=self.dialect.pack(queues)).all()
        limited = {name for _, name in limits}
        if not bypass and any(e.queue in limited for e in envelopes if not e.bypass_capacity):
            self.check_room(connection, envelopes)
        self.store(connection, envelopes, limits[0][0])

    def push_at_once(self, connection: Connection, envelopes: Sequence[Envelope]) -> bool:
        """Store the envelopes by one statement, outside of any transaction; whether that could be.

        Not where a queue has a limit: how many jobs it holds is to be counted first.
        """
        if len(envelopes) > 1:
            return False
        (e,) = envelopes
        stored = self.say.push_one.run(
            connection,
            id=e.id,
            job=e.job,
            queue=e.queue,
            rank=-e.priority,
            due_us=e.due_us,
            delay_us=e.delay_us,
            flow=e.flow,
            tags=encode_tags(e.tags).decode() if e.tags else None,
            payload=e.payload,
            **self.dialect.voice,
        )
        return stored.rowcount > 0

    def know(self, connection: Connection, envelopes: Sequence[Envelope]) -> list[str]:
        """Let the store know the queues of the envelopes; returns them."""
        queues = sorted({envelope.queue for envelope in envelopes})
        unknown = [{"name": queue} for queue in queues if queue not in self.known]
        if unknown:
            self.say.know_queue.many(connection, unknown)
        return queues

    def store(self, connection: Connection, envelopes: Iterable[Envelope], now_us: int) -> None:
        """Store the envelopes that are not live yet, at that instant of the store's."""
        rows = []
        for e in envelopes:
            due_us = now_us + e.delay_us if e.due_us is None else e.due_us
            tags = encode_tags(e.tags).decode() if e.tags else None
            state = DELAYED if due_us > now_us else READY
            rows.append((e.id, e.job, e.queue, -e.priority, now_us, due_us, e.flow, state, tags, e.payload))
        self.say.push.tuples(connection, rows)

    def check_room(self, connection: Connection, envelopes: Sequence[Envelope]) -> None:
        """Refuse what would overfill a queue; its limit is locked, so that two producers count in turn.

        Raises:
            QueueFullError: a queue has no room for its share.
        """
        asking = {e.id: e.queue for e in envelopes if not e.bypass_capacity}
        names = self.dialect.pack(sorted(set(asking.values())))
        limits = self.say.lock_limits.run(connection, names=names).all()
        if not limits:
            return
        live = self.among(connection, self.say.live_ids, list(asking))
        entering = Counter(queue for job_id, queue in asking.items() if job_id not in live)
        for name, most in limits:
            held = self.say.held.run(connection, name=name, most=most).scalar()
            if entering[name] and held + entering[name] > most:
                raise QueueFullError(
                    f'queue "{name}" is full: it holds {held} jobs of {most} and {entering[name]} more were to '
                    "enter; nothing was stored",
                    hint="dispatch later, or raise the queue's max_jobs",
                )

    def among(self, connection: Connection, statement: Prepared, ids: Sequence[str]) -> set[str]:
        """Those of the ids, one at least, that a statement finds."""
        return set(statement.run(connection, ids=self.dialect.pack(ids)).scalars())

    # --- out --------------------------------------------------------------------------------------------------

    def reserve(
        self, connection: Connection, queues: Sequence[str], limit: int, token: str, take: Take | None = None
    ) -> list[Lease]:
        """Lease up to `limit` jobs that are ready, or have become due, in the order of the queues."""
        take = take or self.take
        leases: list[Lease] = []
        has_more = bool(queues)
        while has_more and len(leases) < limit:
            has_more = self.promote(connection, queues) == _PROMOTED_AT_ONCE
            for queue in queues:
                if len(leases) < limit:
                    leases += take(connection, queue, limit - len(leases), token)
        return leases

    def reserve_alone(self, connection: Connection, queues: Sequence[str], limit: int, token: str) -> list[Lease]:
        """Lease as `reserve` does, outside of any transaction."""
        return self.reserve(connection, queues, limit, token, self.take_alone)

    def promote(self, connection: Connection, queues: Sequence[str]) -> int:
        """Make delayed jobs ready that have become due, 1,000 at the most; returns how many."""
        due = self.say.due.run(connection, queues=self.dialect.pack(queues), most=_PROMOTED_AT_ONCE).scalars()
        if due:
            self.say.make_ready.run(connection, ids=self.dialect.pack(due))
        return len(due)

    def take(self, connection: Connection, queue: str, limit: int, token: str) -> list[Lease]:
        """Lease the first ready jobs of a queue."""
        rows = self.say.next_ready.run(connection, queue=queue, most=limit).all()
        if rows:
            values = {"at_us": rows[0][_INSTANT], "token": token, "term_us": self.term_us}
            self.say.lease.run(connection, ids=self.dialect.pack([row[0] for row in rows]), **values)
        return in_order(rows, token)

    def take_alone(self, connection: Connection, queue: str, limit: int, token: str) -> list[Lease]:
        """Lease as `take` does, outside of any transaction."""
        return self.take(connection, queue, limit, token)

    def leases(self, connection: Connection, token: str, queues: Sequence[str]) -> list[Lease]:
        """The leases that a request got when it was made before, queue by queue."""
        leases = in_order(self.say.leases.run(connection, token=token).all(), token)
        places = {queue: place for place, queue in enumerate(queues)}
        return sorted(leases, key=lambda lease: places.get(lease.queue, len(places)))

    # --- leases -----------------------------------------------------------------------------------------------

    def extend(self, connection: Connection, leases: Sequence[Lease], started: Collection[str]) -> dict[str, bool]:
        """Renew leases that are still held; returns which of their jobs are to be cancelled, and which hard."""
        held = self.held(connection, {(lease.id, lease.token) for lease in leases})
        running = [job_id for job_id in held if job_id in started]
        resting = [job_id for job_id in held if job_id not in started]
        for ids, flag in ((running, 1), (resting, 0)):
            if ids:
                self.say.extend.run(connection, ids=self.dialect.pack(ids), started=flag, term_us=self.term_us)
        return {job_id: mark == CANCEL_HARD for job_id, mark in held.items() if mark}

    def held(self, connection: Connection, leases: Collection[tuple[str, str]]) -> dict[str, int]:
        """The ids leased under just these tokens, now locked, and how somebody asked to cancel them; 0: nobody."""
        ids = self.dialect.pack(sorted({job_id for job_id, _ in leases}))
        rows = self.say.hold.run(connection, ids=ids).all()
        return {job_id: int(mark) for job_id, token, mark in rows if (job_id, token) in leases}

    def reclaim(self, connection: Connection, most: int) -> dict[str, str]:
        """Give back jobs whose lease ran out; returns the queue of each."""
        lapsed: dict[str, str] = {row[0]: row[1] for row in self.say.lapsed.run(connection, most=most)}
        if lapsed:
            self.link.locking.free_exclusive(connection, lapsed)
            self.say.give_back.run(connection, ids=self.dialect.pack(list(lapsed)))
            self.announce(connection, lapsed.values())
        return lapsed

    def forfeit(self, connection: Connection, worker: str, charged: Mapping[str, str]) -> int:
        """Give back every lease of a dead worker; returns how many."""
        rows = self.say.forfeited.run(connection, first=f"{worker}/", after=f"{worker}0")  # "0" follows "/"
        held = {job_id: queue for job_id, queue, token in rows if worker_of(token) == worker}
        guilty = [{"job_id": job_id, "reason": charged[job_id]} for job_id in held if job_id in charged]
        if held:
            self.link.locking.free_exclusive(connection, held)
            self.say.take_back.run(connection, ids=self.dialect.pack(list(held)))
            self.announce(connection, held.values())
        if guilty:
            self.say.charge.many(connection, guilty)
        return len(held)

    # --- ends -------------------------------------------------------------------------------------------------

    def finish(self, connection: Connection, settlements: Sequence[Settlement], ended_as: int) -> Collection[str]:
        """Move jobs to the finished ones; returns the ids whose lease was still held."""
        held = self.held(connection, {(s.id, s.token) for s in settlements})
        kept = [s for s in settlements if s.id in held]
        if kept:
            self.say.finish.run(connection, ended_as=ended_as, **self.dialect.pack_rows(ended_rows(kept)))
            self.say.drop.run(connection, ids=self.dialect.pack([s.id for s in kept]))
        return held

    def end_at_once(self, connection: Connection, ends: Sequence[Settlement], writer: str) -> bool:
        """Complete jobs, count and measure them, also in the one flow of which some may be members.

        Nothing is done where a lease is not held any more, or something follows in the flow; returns whether it was.
        """
        raise NotImplementedError

    def fail(self, connection: Connection, settlements: Sequence[Settlement]) -> Collection[str]:
        """Move jobs to the failed ones; returns the ids whose lease was still held."""
        held = self.held(connection, {(s.id, s.token) for s in settlements})
        rows = [_failing(s) for s in settlements if s.id in held]
        if rows:
            self.say.fail.many(connection, rows)
            self.say.drop.run(connection, ids=self.dialect.pack(list(held)))
        return held

    def release(self, connection: Connection, settlements: Sequence[Settlement]) -> Collection[str]:
        """Let jobs wait again; returns the ids whose lease was still held."""
        held = self.held(connection, {(s.id, s.token) for s in settlements})
        kept = [s for s in settlements if s.id in held]
        if kept:
            self.say.release.many(connection, [_releasing(s) for s in kept])
            self.announce(connection, {s.queue for s in kept if s.delay_us <= 0})
        return held

    def describe(self, connection: Connection, settlements: Sequence[Settlement]) -> None:
        """Note what finished jobs returned, and their errors where they had some."""
        results = [_result(s) for s in settlements if s.result is not None]
        errors = [{"job_id": s.id, "errors": s.history} for s in settlements if s.history is not None]
        if results:
            self.say.set_result.many(connection, results)
        if errors:
            self.say.set_history.many(connection, errors)

    def count(self, connection: Connection, writer: str, ends: dict[str, tuple[int, int]]) -> None:
        """Add completed and cancelled jobs to the counters of their queues."""
        rows = [
            {"writer": writer, "queue": queue, "completed": completed, "cancelled": cancelled}
            for queue, (completed, cancelled) in sorted(ends.items())
        ]
        if rows:
            self.say.count_ends.many(connection, rows)

    def announce(self, connection: Connection, queues: Iterable[str]) -> None:
        """Tell those who wait that jobs became ready; for databases that can, at the commit."""


def worker_of(token: str) -> str:
    """Who holds the leases of a token."""
    return token.rpartition("/")[0]


def in_order(rows: Sequence[Any], token: str) -> list[Lease]:
    """Make leases of rows, in the order in which they are to run: an update answers in none."""
    ordered = sorted(rows, key=lambda row: (row[_RANK], row[9], row[0]))
    return [_lease(row, token) for row in ordered]


def _lease(row: Sequence[Any], token: str) -> Lease:
    return Lease(
        id=row[0],
        job=row[1],
        queue=row[2],
        payload=row[3],
        token=token,
        attempts=row[4],
        exceptions=row[5],
        crashes=row[6],
        reclaims=row[7],
        created_us=row[8],
        due_us=row[9],
        history=row[10],
        cancel_requested=bool(row[11]),
        crash_reason=row[12],
        lock=row[13],
        flow=row[15],
        priority=-row[_RANK],
        tags=decode_tags(row[_TAGS]) if row[_TAGS] else (),
        reserved_us=row[_INSTANT],
    )


def ended_rows(settlements: Sequence[Settlement]) -> list[tuple[str, str, int, int, int, int]]:
    """What `Dialect.rows` is to hold of jobs that finish."""
    return [
        (s.id, s.token, s.attempts, s.exceptions, round(s.runtime_s * 1_000_000), int(s.result is not None))
        for s in settlements
    ]


def _result(s: Settlement) -> dict[str, Any]:
    return {"job_id": s.id, "answer": s.result, "ttl_us": round(s.result_ttl_s * 1_000_000)}


def _failing(s: Settlement) -> dict[str, Any]:
    return {
        "job_id": s.id,
        "attempts": s.attempts,
        "exceptions": s.exceptions,
        "runtime_us": round(s.runtime_s * 1_000_000),
        "history": s.history,
        "error": s.error,
    }


def _releasing(s: Settlement) -> dict[str, Any]:
    return {
        "job_id": s.id,
        "state": DELAYED if s.delay_us > 0 else READY,
        "delay_us": s.delay_us,
        "attempts": s.attempts,
        "exceptions": s.exceptions,
        "history": s.history,
        "token": s.token,
        "outcome": s.outcome.value,
    }
