"""How jobs start by their limits: rows of one table, each held while it is read and changed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.database.limits import LimitStatements
from qcore.limits import Ruling, Slot, State, fitting, over_us, pack, replan, rule, unpack
from qcore.records import QueueDefinition, limit_in_force

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.envelope import Start
    from qcore.limits import Limit

_decode_definition = msgspec.json.Decoder(QueueDefinition).decode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.Encoder().encode


class Limiting:
    """The limits of one store; the caller owns the transaction."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pack = link.dialect.pack

    @cached_property
    def say(self) -> LimitStatements:
        """What is said to the tables."""
        return LimitStatements(self._link.tables, self._link.dialect)

    def start(self, connection: Connection, starts: Sequence[Start]) -> dict[str, Ruling]:
        """Let jobs start by their limits, in order, or promise them slots; returns what became of each, by id."""
        if not starts:
            return {}
        slots = self._slots(connection, [start.id for start in starts])  # before any waits for the rows of limits
        now_us, states = self._held(connection, sorted({limit.key for start in starts for limit in start.limits}))
        rulings: dict[str, Ruling] = {}
        for start in starts:
            own = [fitting(limit, states[limit.key]) for limit in start.limits]
            states.update(zip((limit.key for limit in start.limits), own, strict=True))
            rulings[start.id] = rule(start.limits, own, slots.get(start.id), now_us, ahead=start.ahead)
            self._shut(connection, start, rulings[start.id].shut_us)
        self._keep(connection, states)
        self._promise(connection, rulings, slots)
        return rulings

    def give_back(self, connection: Connection, ids: Sequence[str]) -> None:
        """Let others have the slots of jobs, one at least, that will not come for them."""
        gone = self._slots(connection, ids)
        if gone:
            self.say.redeem.run(connection, ids=self._pack(list(gone)))
            self._replan(connection, {key for slot in gone.values() for key in slot.keys})

    def lift(self, connection: Connection, key: str) -> list[str]:
        """Give back all slots of a limit that holds no more; returns whose it were, of those that wait for it alone."""
        held = {owner: slot for owner, slot in self._every_slot(connection).items() if key in slot.keys}
        alone = [owner for owner, slot in held.items() if slot.keys == (key,)]
        others = {owner: slot for owner, slot in held.items() if owner not in alone}
        if alone:
            self.say.redeem.run(connection, ids=self._pack(alone))
        self._note_slots(
            connection,
            {o: slot._replace(keys=tuple(one for one in slot.keys if one != key)) for o, slot in others.items()},
        )
        self._replan(connection, {key})
        return alone

    def _replan(self, connection: Connection, keys: set[str]) -> None:
        """Let limits have given out nothing but the slots that there are, beside what began."""
        if not keys:
            return
        _, states = self._held(connection, sorted(keys))
        slots = self._every_slot(connection).values()
        for key, state in states.items():
            if state is not None:
                replan(state, (slot.at_us for slot in slots if key in slot.keys))
        self._keep(connection, states)

    def of_queues(self, connection: Connection, queues: Sequence[str]) -> dict[str, Limit]:
        """The limits of these queues, of those that have one."""
        rows = self.say.of_queues.run(connection, names=self._pack(sorted(set(queues)))).all()
        found = {
            name: limit_in_force(_decode_definition(text) if text else None, None if own is None else bytes(own))
            for name, text, own in rows
        }
        return {name: limit for name, limit in found.items() if limit is not None}

    def forget_over(self, connection: Connection) -> None:
        """Forget what does not matter any more."""
        self.say.forget_over.run(connection)
        self.say.forget_slots.run(connection)

    def _held(self, connection: Connection, names: Sequence[str]) -> tuple[int, dict[str, State | None]]:
        """The limits by name, and the instant at which their rows were this transaction's."""
        packed = self._pack(names)
        rows = [] if self.say.hold_known is None else self.say.hold_known.run(connection, names=packed).all()
        if len(rows) < len(names):
            self.say.hold.many(connection, [{"name": name} for name in names])
            rows = self.say.states.run(connection, names=packed).all()
        return rows[-1][2], {name: None if state is None else unpack(bytes(state)) for name, state, _ in rows}

    def _slots(self, connection: Connection, ids: Sequence[str]) -> dict[str, Slot]:
        return _read(self.say.slots.run(connection, ids=self._pack(ids)))

    def _every_slot(self, connection: Connection) -> dict[str, Slot]:
        return _read(self.say.every_slot.run(connection))

    def _note_slots(self, connection: Connection, slots: Mapping[str, Slot]) -> None:
        rows = [
            {"owner": owner, "at_us": slot.at_us, "bound": slot.bound, "limit_names": _encode(slot.keys).decode()}
            for owner, slot in slots.items()
        ]
        if rows:
            self.say.promise.many(connection, rows)

    def _keep(self, connection: Connection, states: dict[str, State | None]) -> None:
        kept = [(name, state) for name, state in states.items() if state is not None]
        rows = [{"of_name": name, "new_state": pack(state), "new_until_us": over_us(state)} for name, state in kept]
        self.say.keep.many(connection, rows)

    def _promise(self, connection: Connection, rulings: dict[str, Ruling], slots: Iterable[str]) -> None:
        done = {job_id: ruling for job_id, ruling in rulings.items() if not ruling.is_left}
        promised = {job_id: ruling.slot for job_id, ruling in done.items() if ruling.slot is not None}
        self._note_slots(connection, promised)
        redeemed = [job_id for job_id in slots if job_id in done and job_id not in promised]
        if redeemed:
            self.say.redeem.run(connection, ids=self._pack(redeemed))

    def _shut(self, connection: Connection, start: Start, for_us: int) -> None:
        for limit in start.limits if for_us else ():
            if limit.queue:
                self.say.shut.run(connection, queue=limit.queue, for_us=for_us)


def _read(rows: Iterable[Sequence[Any]]) -> dict[str, Slot]:
    return {owner: Slot(at_us, bound, _decode_names(names) if names else ()) for owner, at_us, bound, names in rows}
