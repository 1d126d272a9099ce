"""What goes over the wire to the scripts and back: envelopes, settlements and leases as flat lists of arguments.

Jobs that share everything but id and payload travel as one group, so that class, queue and tags are written once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.notes import COUNTED, Note, note_of, notes_of
from qcore.drivers.tally import measure_of, tally
from qcore.envelope import Lease
from qcore.flows import Role, flow_in, role_in
from qcore.measures import Reading, merged, readings_of, unpack_spreads
from qcore.records import QueueDefinition
from qcore.states import Outcome

if TYPE_CHECKING:
    from qcore.drivers.redis.server import Argument
    from qcore.envelope import Envelope
    from qcore.measures import Cell, Span
    from qcore.settlement import Settlement

DIGITS = 16
"""Of an instant in front of a value."""
LAST_US = (1 << 53) - 1
"""The latest instant a score holds exactly: the year 2255."""
_HEADS = {0xD9: 2, 0xDA: 3, 0xDB: 5}
"""Bytes before a string of msgpack, by the first of them; else it is one."""


class Header(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a store tells of a job without opening its payload."""

    job: str
    queue: str
    priority: str
    """As text, since it is part of a key."""
    tags: tuple[str, ...] = ()
    lock: tuple[str, int, int] | None = None
    """Of a unique job: key, kind, microseconds it lasts or 0."""
    flow: str | None = None
    """Of a member: its flow, and what it is to it."""


class Marks(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What happened to a job so far; `lua/lib/job.lua` writes it."""

    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    reclaims: int = 0
    last_token: str = ""
    last_outcome: str = ""
    cancel_requested: bool = False
    crash_reason: str = ""


class Ending(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How a job's last attempt ended."""

    token: str
    outcome: str
    attempts: int = 0
    exceptions: int = 0
    runtime_s: float | None = None
    error: str | None = None


NO_MARKS = Marks()
pack = msgspec.msgpack.Encoder().encode
_unpack_definition = msgspec.msgpack.Decoder(QueueDefinition).decode
_unpack_header = msgspec.msgpack.Decoder(Header).decode
unpack_marks = msgspec.msgpack.Decoder(Marks).decode
unpack_ending = msgspec.msgpack.Decoder(Ending).decode
_CREATED, _SIZE, _FACTS = 16, 17, 21  # see `lua/lib/job.lua`


def groups_of(envelopes: Iterable[Envelope]) -> list[Argument]:
    """Number of groups, then the groups, as `lua/lib/enter.lua` reads them."""
    groups: dict[tuple[object, ...], list[Argument]] = {}
    seen: set[str] = set()
    for envelope in envelopes:
        if envelope.id in seen:
            continue
        seen.add(envelope.id)
        kind = (
            envelope.job,
            envelope.queue,
            envelope.priority,
            envelope.tags,
            envelope.due_us,
            envelope.delay_us,
            envelope.bypass_capacity,
            envelope.flow,
            None if envelope.unique is None else envelope.id,  # each by itself, in its turn
        )
        group = groups.get(kind)
        if group is None:
            group = groups[kind] = [*_group(envelope), 0]
        group += (envelope.id, envelope.payload)
    arguments: list[Argument] = [len(groups)]
    for group in groups.values():
        group[6] = (len(group) - 7) // 2
        arguments += group
    return arguments


def settlements_of(
    settlements: Sequence[Settlement], *, measured: bool = False
) -> tuple[list[Argument], list[Settlement]]:
    """The arguments that `lua/lib/settle.lua` reads, and the settlements in the order it numbers them."""
    groups: dict[tuple[Outcome, str], list[Settlement]] = {}
    for settlement in settlements:
        groups.setdefault((settlement.outcome, settlement.queue), []).append(settlement)
    arguments: list[Argument] = [len(groups)]
    ordered: list[Settlement] = []
    for (outcome, queue), group in groups.items():
        word = outcome.value
        arguments += (word, queue, len(group))
        body = _release if outcome is Outcome.RELEASED else _ending
        for settlement in group:
            arguments += (settlement.id, settlement.token, pack(body(settlement, word)))
        ordered += group
    arguments += _companions(settlements)
    arguments += _measures(ordered) if measured else (b"",)
    return arguments, ordered


def leases_of(reply: Sequence[Any], token: str) -> list[Lease]:
    """The leases in what `lua/lib/reserve.lua` returns."""
    reserved_us, jobs, rare = int(reply[0]), reply[1], reply[2]
    few = {rare[n]: (rare[n + 1], rare[n + 2], rare[n + 3]) for n in range(0, len(rare), 4)}
    packed, created_us, header = b"", 0, Header("", "", "")
    leases = []
    fields = iter(jobs)
    for job_id, due, value in zip(fields, fields, fields, strict=True):
        if not (packed and value.startswith(packed)):  # jobs that were dispatched together share all but the payload
            packed, created_us, header = facts_of(value)
        lease = Lease(
            id=job_id.decode(),
            job=header.job,
            queue=header.queue,
            payload=value[len(packed) :],
            token=token,
            lock=header.lock[0] if header.lock else None,
            flow=header.flow,
            priority=int(header.priority),
            tags=header.tags,
            created_us=created_us,
            due_us=int(due),
            reserved_us=reserved_us,
        )
        leases.append(_marked(lease, *few[job_id]) if job_id in few else lease)
    return leases


def facts_of(value: bytes) -> tuple[bytes, int, Header]:
    """What a value of `jobs` begins with, before any payload: all of that, when it was created, and the header."""
    end = _FACTS + int(value[_SIZE:_FACTS])
    return value[:end], int(value[:_CREATED]), _header(value[_FACTS:end])


def unpack_definition(packed: bytes | None) -> QueueDefinition | None:
    """Read the definition of a queue; None where there is none."""
    return _unpack_definition(packed) if packed else None


def _group(envelope: Envelope) -> tuple[Argument, ...]:
    unique = envelope.unique
    bound: tuple[object, ...] = () if unique is None else ((unique.key, int(unique.until_start), unique.for_us),)
    if envelope.flow is not None:
        bound = (None, envelope.flow)
    header = (envelope.job, envelope.queue, str(envelope.priority), envelope.tags, *bound)
    sign, us = ("+", envelope.delay_us) if envelope.due_us is None else ("@", envelope.due_us)
    entering = b"1" if envelope.bypass_capacity else b"0"
    if envelope.flow is not None and role_in(envelope.flow) in COUNTED:
        entering += b"f" + flow_in(envelope.flow).encode()
    elif unique is not None:
        asked = (unique.key, int(unique.until_start), unique.for_us, unique.replaces, unique.max_wait_us)
        entering += pack(asked)
    return pack(header), envelope.queue, envelope.priority, sign, min(max(us, 0), LAST_US), entering


def _release(settlement: Settlement, word: str) -> tuple[object, ...]:
    delay_us = min(settlement.delay_us, LAST_US)
    return (
        settlement.token,
        word,
        settlement.attempts,
        settlement.exceptions,
        delay_us,
        settlement.runtime_s,
        measure_of(settlement),
    )


def _ending(settlement: Settlement, word: str) -> tuple[object, ...]:
    return (
        settlement.token,
        word,
        settlement.attempts,
        settlement.exceptions,
        settlement.runtime_s,
        settlement.error,
    )


def _companions(settlements: Sequence[Settlement]) -> list[Argument]:
    histories: list[Argument] = []
    results: list[Argument] = []
    pushes: list[Argument] = []
    locks: list[Argument] = []
    numbers = [0, 0, 0]
    for settlement in settlements:
        if settlement.history is not None:
            numbers[0] += 1
            histories += (settlement.id, settlement.history)
        if settlement.result is not None and settlement.outcome is Outcome.COMPLETED:
            numbers[1] += 1
            kept_us = min(max(round(settlement.result_ttl_s * 1_000_000), 0), LAST_US)
            results += (settlement.id, kept_us, settlement.result)
        if settlement.pushes:
            numbers[2] += 1
            pushes += (settlement.id, *groups_of(settlement.pushes))
        if settlement.lock is not None and settlement.outcome is not Outcome.RELEASED:
            locks += (settlement.id, settlement.lock, "0")
        if settlement.exclusive is not None:
            locks += (settlement.id, settlement.exclusive, "1")
    ends = _flow_ends(settlements)
    return [numbers[0], *histories, numbers[1], *results, numbers[2], *pushes, len(locks) // 3, *locks, *ends]


def _measures(settlements: Sequence[Settlement]) -> tuple[Argument]:
    """What all of the ends add to the measures, as fields of a minute's hash and what is added to each."""
    added: list[object] = []
    totals: dict[str, int] = {}
    for (queue, job, measure, bucket), (number, total) in tally(settlements).items():
        of = f"{queue}\0{job}\0{measure:d}:"
        added += (f"{of}{bucket}", number)
        if total:
            totals[f"{of}+"] = totals.get(f"{of}+", 0) + total
    for pair in totals.items():
        added += pair
    return (pack(added),)


def readings_in(reply: Sequence[Any], span: Span) -> list[Reading]:
    """The readings in what `lua/readings.lua` returns."""
    known, cells = reply
    found = []
    for minute, fields in zip(known[::2], known[1::2], strict=True):
        for name, packed in zip(fields[::2], fields[1::2], strict=True):
            queue, job = name.decode().split("\0")
            found.append(Reading(minute=int(minute), queue=queue, job=job, spreads=unpack_spreads(packed)))
    return merged([*found, *readings_of(_cells(cells))], span)


def _cells(told: Sequence[Any]) -> Iterator[tuple[int, Cell, int, int]]:
    for minute, fields in zip(told[::2], told[1::2], strict=True):
        for name, amount in zip(fields[::2], fields[1::2], strict=True):
            queue, job, cell = name.decode().split("\0")
            measure, bucket = cell.split(":")
            if bucket == "+":
                yield int(minute), (queue, job, int(measure), 0), 0, int(amount)
            else:
                yield int(minute), (queue, job, int(measure), int(bucket)), int(amount), 0


def group_of(envelope: Envelope) -> list[msgspec.Raw]:
    """A job that waits inside a value, as `lua/lib/enter.lua` takes it when its time has come."""
    head = [one if isinstance(one, bytes) else str(one).encode() for one in _group(envelope)]
    return [raw(one) for one in (*head, b"1", envelope.id.encode(), envelope.payload)]


def raw(data: bytes) -> msgspec.Raw:
    """Bytes as a string of msgpack: the server's library knows no other kind."""
    size = len(data)
    if size < 1 << 5:
        return msgspec.Raw(bytes([0xA0 | size]) + data)
    if size < 1 << 8:
        return msgspec.Raw(b"\xd9" + size.to_bytes(1, "big") + data)
    if size < 1 << 16:
        return msgspec.Raw(b"\xda" + size.to_bytes(2, "big") + data)
    return msgspec.Raw(b"\xdb" + size.to_bytes(4, "big") + data)


def unraw(data: msgspec.Raw) -> bytes:
    """The bytes of a string of msgpack, whatever they are; what `raw` made, or the server's library."""
    packed = bytes(data)
    return packed[_HEADS.get(packed[0], 1) :]


def _apart(note: Note) -> tuple[object, ...]:
    """What the end of one member alone means: result, error, microseconds, and what it adds."""
    result = raw(note.result) if note.result is not None else None
    growth = note.growth
    added = growth and [[group_of(one) for one in some] for some in (growth.next, growth.last, growth.members)]
    return result, note.error, note.runtime_us, added


def _flow_ends(settlements: Sequence[Settlement]) -> list[Argument]:
    """What the ends mean to flows: members that end alike go together."""
    alike: dict[tuple[str, Outcome, bool], list[Settlement]] = {}
    apart: list[Settlement] = []
    for s in settlements:
        if s.flow is not None and (s.growth is not None or role_in(s.flow) == Role.STEP):
            apart.append(s)
        elif s.flow is not None:
            alike.setdefault((s.flow, s.outcome, s.is_excused), []).append(s)
    groups: list[list[Argument]] = [[pack((*_alike(one), *_apart(one))), 1, one.id] for one in notes_of(apart)]
    for ends in alike.values():
        note = note_of(ends[0])
        if note is not None:
            groups.append([pack(_alike(note)), len(ends), *(s.id for s in ends)])
    return [len(groups), *chain.from_iterable(groups)]


def _alike(note: Note) -> tuple[object, ...]:
    return note.flow, note.role, int(note.state), note.is_excused


@functools.lru_cache(maxsize=256)
def _header(packed: bytes) -> Header:
    return _unpack_header(packed)


def _marked(lease: Lease, packed: bytes, history: bytes, payload: bytes) -> Lease:
    marks = unpack_marks(packed) if packed else NO_MARKS
    return msgspec.structs.replace(
        lease,
        attempts=marks.attempts,
        exceptions=marks.exceptions,
        crashes=marks.crashes,
        reclaims=marks.reclaims,
        history=history or None,
        cancel_requested=marks.cancel_requested,
        crash_reason=marks.crash_reason or None,
        payload=payload or lease.payload,
    )
