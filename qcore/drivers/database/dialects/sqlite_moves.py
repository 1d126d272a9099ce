"""How jobs move on SQLite: whatever is read or changed in bulk goes in one step of a statement.

Between two steps the client library lets go of the interpreter's lock and takes it again. Beside a thread that runs
jobs that costs more than a row does, so what a reserve gives comes as one row, written as JSON.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Text,
    bindparam,
    case,
    column,
    delete,
    func,
    literal_column,
    select,
    update,
)

from qcore.drivers.database.moves import Moves, decode_tags
from qcore.drivers.database.prepared import Prepared
from qcore.drivers.database.schema import LEASED
from qcore.drivers.database.statements import KEPT_AT_THE_END, LEASE_COLUMNS, Statements, literally
from qcore.envelope import Lease

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection, TableValuedAlias

    from qcore.settlement import Settlement

_INSIDE = 4096
"""Bytes of a job's payload and history that are written in hex with the rest; larger ones are read by themselves."""
_BLOBS = ("payload", "history")
_ROWID: ColumnElement[int] = literal_column("rowid", BigInteger)


class _Ready(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A ready job, as `next_packed` writes it: its place, then `LEASE_COLUMNS`."""

    place: int
    id: str
    job: str
    queue: str
    payload: str | None
    """In hex, as the history; None: read it by itself."""
    attempts: int
    exceptions: int
    crashes: int
    reclaims: int
    created_us: int
    due_us: int
    history: str | None
    cancel_requested: int
    crash_reason: str | None
    lock: str | None
    rank: int
    flow: str | None
    tags: str | None


_decode = msgspec.json.Decoder(list[_Ready]).decode
_encode = msgspec.json.Encoder().encode


class _Alike(NamedTuple):
    """What the ends of a group have in common: most of those that leave together have all of it."""

    token: str
    attempts: int
    exceptions: int
    is_kept: bool


class SqliteStatements(Statements):
    """Statements that say much in one row."""

    @cached_property
    def next_packed(self) -> Prepared:
        """The first `most` ready jobs of `queue`, in order, as one list in JSON; and the instant."""
        jobs = self.jobs.c
        size = func.length(jobs.payload) + func.coalesce(func.length(jobs.history), literally(0))
        blobs = {name: case((size <= literally(_INSIDE), func.hex(jobs[name]))).label(name) for name in _BLOBS}
        columns = [blobs.get(name, jobs[name]) for name in LEASE_COLUMNS]
        first = self._first_ready(select(_ROWID.label("place"), *columns)).subquery("ready")
        return self.prepared(select(func.json_group_array(func.json_array(*first.c)), self.dialect.now))

    @cached_property
    def lease_places(self) -> Prepared:
        """Lease the jobs at `places`, as of the instant `at_us`."""
        values = self._leased(bindparam("at_us", type_=BigInteger))
        each = func.json_each(bindparam("places", type_=Text)).table_valued("value")
        return self.prepared(update(self.jobs).values(values).where(_ROWID.in_(select(each.c.value))))

    @cached_property
    def blobs(self) -> Prepared:
        """Payload and history of the job at `place`."""
        of_job = select(*(self.jobs.c[name] for name in _BLOBS))
        return self.prepared(of_job.where(bindparam("place", type_=BigInteger) == _ROWID))

    @cached_property
    def finish_alike(self) -> Prepared:
        """Copy jobs leased under `token` to the finished ones; `ends` gives the runtime of each id."""
        jobs = self.jobs.c
        ends = self._ends()
        values = {
            **{name: jobs[name] for name in (*KEPT_AT_THE_END, "history")},
            **{name: bindparam(name, type_=jobs.attempts.type) for name in ("attempts", "exceptions", "kept")},
            "runtime_us": ends.c.value,
            "state": bindparam("ended_as", type_=self.finished.c.state.type),
            "ended_us": self.dialect.now,
        }
        source = ends.join(self.jobs, jobs.id == ends.c.key)
        chosen = select(*values.values()).select_from(source).where(*self._held_under_token())
        return self.prepared(self.replacing(self.finished, values, chosen))

    @cached_property
    def drop_alike(self) -> Prepared:
        """Take the jobs of `ends` that are leased under `token` off the live ones."""
        ends = self._ends()
        is_named = self.jobs.c.id.in_(select(ends.c.key))
        return self.prepared(delete(self.jobs).where(is_named, *self._held_under_token()))

    def _ends(self) -> TableValuedAlias:
        """An object of JSON as rows: read once, where each value of a list of lists is read by itself."""
        return func.json_each(bindparam("ends", type_=Text)).table_valued(
            column("key", Text), column("value", BigInteger)
        )

    def _held_under_token(self) -> list[ColumnElement[bool]]:
        return [self.jobs.c.token == bindparam("token", type_=Text), self.is_in(LEASED)]


class SqliteMoves(Moves):
    """The writer is alone: nothing needs to be locked before it is changed."""

    say: SqliteStatements
    looks_first = True
    drops_at_once = True

    def take(self, connection: Connection, queue: str, limit: int, token: str) -> list[Lease]:
        """Lease the first ready jobs of a queue."""
        packed, now_us = self.say.next_packed.run(connection, queue=queue, most=limit).one()
        ready = _decode(packed)
        if ready:
            values = {"at_us": now_us, "token": token, "term_us": self.term_us}
            self.say.lease_places.run(connection, places=str([one.place for one in ready]), **values)
        return [self._lease(connection, one, token, now_us) for one in ready]

    def finish(self, connection: Connection, settlements: Sequence[Settlement], ended_as: int) -> Collection[str]:
        """Move jobs to the finished ones; returns the ids whose lease was still held."""
        groups: defaultdict[_Alike, dict[str, int]] = defaultdict(dict)
        for s in settlements:
            alike = _Alike(s.token, s.attempts, s.exceptions, s.result is not None)
            groups[alike][s.id] = round(s.runtime_s * 1_000_000)
        held: set[str] = set()
        for alike, runtimes in groups.items():
            held.update(self._finish_alike(connection, alike, runtimes, ended_as))
        return held

    def _finish_alike(
        self, connection: Connection, alike: _Alike, runtimes: dict[str, int], ended_as: int
    ) -> Collection[str]:
        ends = _encode(runtimes).decode()
        values = {"attempts": alike.attempts, "exceptions": alike.exceptions, "kept": int(alike.is_kept)}
        held: Collection[str] = runtimes.keys()
        finished = self.say.finish_alike.run(connection, ends=ends, token=alike.token, ended_as=ended_as, **values)
        if finished.rowcount < len(runtimes):
            held = self.held(connection, {(job_id, alike.token) for job_id in runtimes}).keys()
        self.say.drop_alike.run(connection, ends=ends, token=alike.token)
        return held

    def _lease(self, connection: Connection, one: _Ready, token: str, now_us: int) -> Lease:
        payload: bytes
        history: bytes | None
        if one.payload is None:
            payload, history = self.say.blobs.run(connection, place=one.place).one()
        else:
            payload, history = bytes.fromhex(one.payload), bytes.fromhex(one.history) if one.history else None
        return Lease(
            id=one.id,
            job=one.job,
            queue=one.queue,
            payload=payload,
            token=token,
            attempts=one.attempts,
            exceptions=one.exceptions,
            crashes=one.crashes,
            reclaims=one.reclaims,
            created_us=one.created_us,
            due_us=one.due_us,
            history=history,
            cancel_requested=bool(one.cancel_requested),
            crash_reason=one.crash_reason,
            lock=one.lock,
            flow=one.flow,
            priority=-one.rank,
            tags=decode_tags(one.tags) if one.tags else (),
            reserved_us=now_us,
        )
