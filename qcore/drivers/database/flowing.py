"""How flows move in a database: a loom of rows.

The row of a flow is held, after those of the jobs that end, until the commit; whoever holds several holds them in
order. Members that wait are cancelled where nobody else holds them, and the rest once they are looked at again.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers import base, notes, weaving
from qcore.drivers.database.flow_statements import CHANGING, FLOW, MOVING, STEP, FlowStatements, counted_in
from qcore.drivers.database.schema import CANCEL_SOFT, LEASED
from qcore.drivers.notes import Note, Word
from qcore.drivers.operator import resealed
from qcore.envelope import Envelope, Lease
from qcore.flows import Flow, FlowKind, Hook, Step, StepState, flow_in, has_hook, role_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.operator import FlowChange
    from qcore.flows import Weave

_SWEPT_AT_ONCE = 1000
_STOPPING_AT_ONCE = 20
_OLD_AT_ONCE = 100
_REMEMBERED = 1000
_Callbacks = tuple[tuple[Hook, Envelope], ...]
_encode = msgspec.msgpack.Encoder().encode
_decode_callbacks = msgspec.msgpack.Decoder(_Callbacks).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_encode_names = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode
_NAMED = ("parents", "children")


class Flowing:
    """The flows of one store; the caller owns the transaction."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._room: dict[str, int] = {}
        """How many members of a flow may still complete without anything following, as it was last seen here."""

    @cached_property
    def say(self) -> FlowStatements:
        """What is said to the tables."""
        return FlowStatements(self._link.tables, self._link.dialect)

    def weave(self, connection: Connection, weave: Weave) -> int:
        """Store flows, steps and members; returns how many members are new."""
        if weave.extends is None:
            if self._known(connection, [weave.openings[0].flow.id]):
                return 0
        else:
            loom = _Loom(self, self._link, connection)
            notes.refuse_ended(loom.flows([weave.extends]).get(weave.extends), weave.extends)
        self._open(connection, weave)
        steps, members = self._new(connection, weave)
        loom = _Loom(self, self._link, connection)
        if steps:
            loom.add(steps)
        if members and weave.extends is None:
            self._link.moves.push(connection, members)
        elif members:
            self._link.moves.know(connection, members)
            self._link.moves.check_room(connection, members)
        weaving.move(loom, notes.woven(weave, steps, members))
        return len(members)

    def move(self, connection: Connection, notes: Iterable[Note]) -> None:
        """Let things happen to flows."""
        weaving.move(_Loom(self, self._link, connection), notes)

    def has_room(self, flow: str, completing: int) -> bool:
        """Whether so many members of a flow may complete, and most likely nothing follows; it takes these for ended."""
        left = self._room.pop(flow, 0) - completing
        if left <= 0:
            return False
        self._room[flow] = left
        return True

    def look_at(self, flow: Flow) -> None:
        """Learn from a flow how much of it is left."""
        if len(self._room) >= _REMEMBERED:
            self._room.clear()
        if flow.finished_us is None and not has_hook(flow, Hook.PROGRESS):
            goes_on = flow.is_open and flow.cancelled_us is None
            self._room[flow.id] = sys.maxsize if goes_on else flow.total - flow.ended

    def mark_stopped(self, connection: Connection, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Let leases say that their job is to be cancelled, where its flow was stopped before they were given."""
        named = {flow_in(lease.flow) for lease in leases if lease.flow is not None}
        if not named:
            return leases
        ids = self._link.dialect.pack(sorted(named))
        stopped = set(self.say.stopped.run(connection, ids=ids).scalars())
        if not stopped:
            return leases
        return [
            msgspec.structs.replace(lease, cancel_requested=True)
            if lease.flow is not None and flow_in(lease.flow) in stopped and role_in(lease.flow) in notes.COUNTED
            else lease
            for lease in leases
        ]

    def ended(self, connection: Connection, jobs: Collection[tuple[str, str]], state: StepState) -> None:
        """Count jobs that ended without an attempt, by id and what they were to their flow."""
        if jobs:
            self.move(connection, [notes.ended_note(job_id, told, state) for job_id, told in jobs])

    def sweep(self, connection: Connection) -> None:
        """Go on with what was stopped and has members left that wait."""
        ids = self.say.stopping.run(connection, most=_STOPPING_AT_ONCE).scalars()
        if ids:
            self.move(connection, [Note(flow, Word.SWEEP) for flow in ids])

    def sweep_on(self, connection: Connection, flow: str) -> bool:
        """Cancel more of what waits of a stopped flow; whether there may be still more."""
        if not self.say.any_waiting.run(connection, **counted_in(flow)).all():
            return False
        self.move(connection, [Note(flow, Word.SWEEP)])
        return True

    def held(self, connection: Connection, flow: str) -> Flow | None:
        """Read a flow and hold it."""
        return _Loom(self, self._link, connection).flows([flow]).get(flow)

    def reseal(self, connection: Connection, change: FlowChange) -> int:
        """Put new payloads, options and results in the place of old ones; returns how many."""
        say, flow = self.say, change.flow
        if self.held(connection, flow) is None:
            return 0
        steps = steps_in(say.steps_of.run(connection, flow_id=flow))
        changed = [
            {"step_id": step.id, "its_envelope": _encode(resealed(step.envelope, change))}
            for step in steps
            if step.envelope is not None and step.envelope.payload in change.payloads
        ]
        if changed:
            say.reseal_step.many(connection, changed)
        returned = {step.id: step.result for step in steps}
        results = [
            {"step_id": one.id, "its_result": one.new} for one in change.results if returned.get(one.id) == one.old
        ]
        if results:
            say.reseal_result.many(connection, results)
        callbacks = callbacks_in(say.callbacks.run(connection, flow_id=flow).scalar())
        options = say.options.run(connection, flow_id=flow).scalar()
        number = sum(envelope.payload in change.payloads for envelope in callbacks.values())
        if change.options is not None and options == change.options[0]:
            number, options = number + 1, change.options[1]
        if number:
            packed = _encode(tuple((hook, resealed(one, change)) for hook, one in callbacks.items()))
            say.reseal.run(connection, flow_id=flow, its_callbacks=packed if callbacks else None, its_options=options)
        return len(changed) + len(results) + number

    def forget_old(self, connection: Connection) -> None:
        """Forget flows that finished long ago."""
        for flow in self.say.old.run(connection, old_us=base.FLOW_KEPT_S * 1_000_000, most=_OLD_AT_ONCE).scalars():
            self.delete(connection, flow)

    def delete(self, connection: Connection, flow: str) -> bool:
        """Forget a flow, its steps and the flows among them; whether there was one."""
        steps = [_step(row) for row in self.say.steps_of.run(connection, flow_id=flow)]
        for step in steps:
            if step.is_flow:
                self.delete(connection, step.id)
        self.say.drop_steps.run(connection, flow_id=flow)
        return bool(self.say.drop_flow.run(connection, flow_id=flow).rowcount)

    def _known(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        return self._link.moves.among(connection, self.say.known, ids)

    def _open(self, connection: Connection, weave: Weave) -> None:
        rows = [
            {
                **{name: getattr(opening.flow, name) for name in FLOW if name != "created_us"},
                "kind": opening.flow.kind.value,
                "is_open": int(opening.flow.is_open),
                "has_begun": int(opening.flow.has_begun),
                "options": opening.options,
                "callbacks": _encode(opening.callbacks) if opening.callbacks else None,
            }
            for opening in weave.openings
        ]
        if rows:
            self.say.open.many(connection, rows)

    def _new(self, connection: Connection, weave: Weave) -> tuple[Sequence[Step], Sequence[Envelope]]:
        """The steps and members that are not there yet."""
        steps, members = weave.steps, weave.members
        if weave.extends is None or weave.is_first:
            return steps, members
        if steps:
            known = {row[0] for row in self.say.steps.run(connection, ids=self._pack(step.id for step in steps))}
            steps = tuple(step for step in steps if step.id not in known)
        if members:
            ids = [one.id for one in members]
            live, ended = self._link.statements.live_ids, self._link.pushing.say.ended_ids
            known = {one for look in (live, ended) for one in self._link.moves.among(connection, look, ids)}
            members = tuple(one for one in members if one.id not in known)
        return steps, members

    def _pack(self, ids: Iterable[str]) -> Any:
        return self._link.dialect.pack(sorted(ids))


class _Loom:
    """The flows of one store in one transaction."""

    def __init__(self, flowing: Flowing, link: Link, connection: Connection) -> None:
        self._flowing = flowing
        self._say = flowing.say
        self._link = link
        self._connection = connection
        self.now_us = 0

    def flows(self, ids: Sequence[str]) -> Mapping[str, Flow]:
        """Read flows and hold them, in order."""
        rows = self._say.flows.run(self._connection, ids=self._link.dialect.pack(ids)).all() if ids else []
        for row in rows:
            self.now_us = int(row[0])
        return {row[1]: flow_of(row) for row in rows}

    def save(self, flow: Flow) -> None:
        """Keep what changed of a flow."""
        values = {f"its_{name}": getattr(flow, name) for name in CHANGING}
        values["its_is_open"], values["its_has_begun"] = int(flow.is_open), int(flow.has_begun)
        self._say.save.run(self._connection, flow_id=flow.id, **values)
        self._flowing.look_at(flow)

    def callbacks(self, flow: str) -> Mapping[Hook, Envelope]:
        """Read the callbacks of a flow."""
        return callbacks_in(self._say.callbacks.run(self._connection, flow_id=flow).scalar())

    def steps(self, ids: Sequence[str]) -> Mapping[str, Step]:
        """Read steps by their ids."""
        found = (_step(row) for row in self._say.steps.run(self._connection, ids=self._link.dialect.pack(ids)))
        return {step.id: step for step in found}

    def steps_of(self, flow: str) -> Sequence[Step]:
        """Read all the steps of a flow, in order."""
        return [_step(row) for row in self._say.steps_of.run(self._connection, flow_id=flow)]

    def strand_of(self, step: Step) -> Sequence[Step]:
        """Read the steps that share a step's strand, in order."""
        return [_step(row) for row in self._say.strand_of.run(self._connection, flow_id=step.flow, strand=step.strand)]

    def keep(self, steps: Iterable[Step]) -> None:
        """Keep what changed of steps."""
        rows = [{"step_id": step.id, **{f"its_{name}": value for name, value in _moving(step)}} for step in steps]
        if rows:
            self._say.keep_step.many(self._connection, rows)

    def add(self, steps: Iterable[Step]) -> None:
        """Store new steps."""
        rows = [
            {
                **{name: getattr(step, name) for name in STEP},
                **dict(_moving(step)),
                "is_flow": int(step.is_flow),
                "envelope": None if step.envelope is None else _encode(step.envelope),
            }
            for step in steps
        ]
        self._say.add_step.many(self._connection, rows)

    def push(self, envelopes: Sequence[Envelope]) -> None:
        """Store jobs, whatever the capacity."""
        self._link.moves.push(self._connection, envelopes, bypass=True)

    def sweep(self, flow: str) -> Sequence[tuple[str, str]]:
        """End jobs of a flow that wait, and let the others know."""
        live = self._say.live_members.run(self._connection, most=_SWEPT_AT_ONCE, **counted_in(flow)).all()
        leased = sorted(row[0] for row in live if row[2] == LEASED)
        waiting = {row[0]: row[1] for row in live if row[2] != LEASED}
        if leased:
            self._say.mark.run(self._connection, ids=self._link.dialect.pack(leased), mark=CANCEL_SOFT)
        if waiting:
            self._link.locking.end_waiting(self._connection, waiting)
        return [(row[0], row[3]) for row in live if row[0] in waiting]


def flow_of(row: Sequence[Any]) -> Flow:
    """Make a flow of the instant and `FLOW`."""
    values = dict(zip(FLOW, row[1:], strict=False))
    values.update(kind=FlowKind(values["kind"]), is_open=bool(values["is_open"]), has_begun=bool(values["has_begun"]))
    return Flow(**values)


def callbacks_in(packed: bytes | None) -> dict[Hook, Envelope]:
    """Unpack the callbacks of a flow."""
    return dict(_decode_callbacks(packed)) if packed else {}


def steps_in(rows: Iterable[Sequence[Any]]) -> list[Step]:
    """Make steps of rows of `STEP`."""
    return [_step(row) for row in rows]


def _step(row: Sequence[Any]) -> Step:
    values = dict(zip(STEP, row, strict=True))
    values.update({name: _decode_names(values[name]) if values[name] else () for name in _NAMED})
    envelope = values["envelope"]
    values.update(
        state=StepState(values["state"]),
        is_flow=bool(values["is_flow"]),
        envelope=None if envelope is None else _decode_envelope(envelope),
    )
    return Step(**values)


def _moving(step: Step) -> list[tuple[str, Any]]:
    """What changes of a step, as the table has it."""
    values = {name: getattr(step, name) for name in MOVING}
    values["state"] = int(step.state)
    values.update({name: _encode_names(values[name]).decode() if values[name] else None for name in _NAMED})
    return list(values.items())
