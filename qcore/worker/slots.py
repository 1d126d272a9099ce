"""Shared memory between a supervisor and its children: what each child holds, which jobs it has begun, how it fares.

A child writes, the supervisor reads, also after the child's death: so it knows at once which jobs had begun and
which had only been prefetched. The memory belongs to a descriptor, which children inherit and a supervisor that
re-executes itself keeps. A child has one block; a slot in it is a place where one job runs.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from qcore.envelope import Lease

_HEADER = struct.Struct("<96sBdQQd")
"""Worker id, whether it serves, when it last polled, attempts, failures, seconds spent in jobs."""
_BEGAN = struct.Struct("<d")
_SLOT = struct.Struct("<ddI40s40s160s64s")
"""Begun at (0: free), ended hard at (0: never), attempt, id, reserved for alignment, class path, queue."""
_HOLDINGS = struct.Struct("<QI")
"""Changes so far (odd while one is under way), bytes that follow."""
_HEADER_SIZE = 4096
_SLOT_SIZE = 512
_HOLDINGS_LEAST = 256 * 1024
_HOLDING_SIZE = 128
"""Of one lease under a token of its own, ample."""
_OPENED = struct.Struct("<d")
_OPENED_AT = 136
_KEPT = struct.Struct("<8sd")
"""A connection by the hash of its name, and when its leases were renewed."""
_KEPT_AT = 144
_KEPT_MOST = 48
_TURNS = struct.Struct("<dd")
"""Seconds for which threads beside the worker's own had their turn, in all and up to its last poll."""
_TOTAL = struct.Struct("<d")
_TURNS_AT = 912
_TURN_MOST_S = 5.0
_PAUSED_AT = 1016
_STOP_AT = 1017
_CANCELLED = struct.Struct("<I")
_CANCEL = struct.Struct("<39sB")
"""The id of a job that somebody cancelled, and whether it is to be interrupted."""
_CANCELLED_AT = 1024
_CANCELLED_MOST = 64


class Holding(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The leases of one connection that a child has in hand."""

    connection: str
    token: str
    ids: list[str]


class RunningJob(msgspec.Struct, frozen=True, gc=False):
    """A job that has begun, as its slot tells."""

    slot: int
    id: str
    job: str
    queue: str
    attempt: int
    began_at: float
    """Monotonic seconds."""
    ends_hard_at: float
    """When the child is ended for its sake; 0: never."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Holding]).decode


def _layout() -> str:
    """Tell apart what the constants of this module lay out: all of them, so that none can be forgotten."""
    laid_out = {
        name: value.format if isinstance(value, struct.Struct) else value
        for name, value in globals().items()
        if isinstance(value, (int, struct.Struct))
    }
    return repr((sorted(laid_out.items()), Holding.__struct_fields__))


LAYOUT = _layout()
"""Of the memory: another text where a place or the form of a value is another."""


class SlotMemory:
    """The memory of one supervisor and all its children.

    Args:
        children: blocks.
        slots: places in each where a job runs at a time.
        descriptor: of the memory, where it exists already.
    """

    def __init__(self, children: int, slots: int, descriptor: int | None = None) -> None:
        self.children = children
        self.slots = slots
        self._block = _HEADER_SIZE + slots * _SLOT_SIZE + _holdings_size(slots)
        size = self._block * children
        self.descriptor = anonymous(size) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, size)

    def child(self, index: int, places: int | None = None) -> ChildSlots:
        """Return one child's block, of whose slots it uses `places`, or all."""
        if not 0 <= index < self.children:
            raise IndexError(f"there are {self.children} blocks, and none is number {index}")
        return ChildSlots(self._memory, index * self._block, self.slots, places)

    def close(self) -> None:
        """Let go of the memory; it lives on in whoever else has it."""
        self._memory.close()
        os.close(self.descriptor)


class ChildSlots:
    """One child's block. The child's own threads write, each to its own slot; the supervisor reads."""

    def __init__(self, memory: mmap.mmap, offset: int, slots: int, places: int | None = None) -> None:
        self._memory = memory
        self._header = offset
        self._slots = offset + _HEADER_SIZE
        self._holdings = self._slots + slots * _SLOT_SIZE
        self._holdings_size = _holdings_size(slots)
        self.count = min(slots, places or slots)
        self._worker = b""
        self._changes = 0
        self._turned_s = 0.0
        self._turned_at = 0.0
        self._cancelled: dict[str, dict[str, bool]] = {}
        self._seen: list[Holding] = []
        """The leases in hand as they were last read."""

    def _put(self, form: struct.Struct, at: int, *values: Any) -> None:
        """Write values over those that are there: `pack_into` would wipe these first, and others read meanwhile."""
        self._memory[at : at + form.size] = form.pack(*values)

    # -- the child writes ----------------------------------------------------------------------------------------

    def open(self, worker: str) -> None:
        """Take the block, which the supervisor has cleared."""
        self._worker = worker.encode()[:96]
        self._changes = 0
        self._put(_OPENED, self._header + _OPENED_AT, time.monotonic())
        self.tell(serves=False, jobs=0, failures=0, busy_s=0.0)

    def tell(self, *, serves: bool, jobs: int, failures: int, busy_s: float) -> None:
        """Say how the child fares; that it says so at all is the proof that it polls."""
        self._put(_HEADER, self._header, self._worker, serves, time.monotonic(), jobs, failures, busy_s)
        self._put(_TURNS, self._header + _TURNS_AT, self._turned_s, self._turned_s)

    def turn(self) -> None:
        """Note that a thread beside the worker's own had its turn: no job holds the interpreter's lock."""
        now = time.monotonic()
        self._turned_s += min(now - self._turned_at, _TURN_MOST_S)
        self._turned_at = now
        self._put(_TOTAL, self._header + _TURNS_AT, self._turned_s)

    def begin(self, slot: int, lease: Lease, limit_s: float) -> None:
        """Note that a job begins here, and when the child must be ended for its sake (seconds from now; 0: never)."""
        now = time.monotonic()
        offset = self._slots + slot * _SLOT_SIZE
        self._put(
            _SLOT,
            offset,
            0.0,
            now + limit_s if limit_s else 0.0,
            lease.attempts + 1,
            lease.id.encode(),
            b"",
            lease.job.encode()[:160],
            lease.queue.encode()[:64],
        )
        self._put(_BEGAN, offset, now)  # last: whoever reads a begun slot reads all of it

    def end(self, slot: int) -> None:
        """Note that nothing runs here."""
        offset = self._slots + slot * _SLOT_SIZE
        self._memory[offset : offset + 8] = b"\0" * 8

    def hold(self, holdings: Sequence[Holding]) -> None:
        """Publish the leases in hand."""
        data = _encode(holdings)
        while len(data) > self._holdings_size - _HOLDINGS.size:
            holdings = holdings[: len(holdings) // 2]  # what runs stands first: the rest would be lost last
            data = _encode(holdings)
        start = self._holdings + _HOLDINGS.size
        self._changes += 2
        self._put(_HOLDINGS, self._holdings, self._changes - 1, len(data))
        self._memory[start : start + len(data)] = data
        self._put(_HOLDINGS, self._holdings, self._changes, len(data))

    def cancelled(self) -> dict[str, bool]:
        """Read which of the leases in hand somebody asked to cancel, and which of them hard."""
        at = self._header + _CANCELLED_AT
        (count,) = _CANCELLED.unpack_from(self._memory, at)
        at += _CANCELLED.size
        places = range(at, at + min(count, _CANCELLED_MOST) * _CANCEL.size, _CANCEL.size)
        told = (_CANCEL.unpack_from(self._memory, place) for place in places)
        return {_text(job_id): bool(hard) for job_id, hard in told}

    @property
    def is_paused(self) -> bool:
        """Whether it is to reserve nothing; a child that begins looks here, one that serves is told by a signal."""
        return bool(self._memory[self._header + _PAUSED_AT])

    def unkept_s(self, connection: str | None = None) -> float:
        """Seconds since the supervisor last renewed the leases of a connection, or since the child began.

        Args:
            connection: its name; None for the worst of those that were ever renewed.
        """
        (opened_at,) = _OPENED.unpack_from(self._memory, self._header + _OPENED_AT)
        kept = self._kept()
        if connection is None:
            kept_at = min((at for _, at in kept.values()), default=0.0)
        else:
            _, kept_at = kept.get(_hashed(connection), (0, 0.0))
        return float(time.monotonic() - max(opened_at, kept_at))

    # -- the supervisor reads, and says --------------------------------------------------------------------------

    @property
    def worker(self) -> str:
        """The child's worker id; empty before it has one."""
        return str(_HEADER.unpack_from(self._memory, self._header)[0].rstrip(b"\0").decode())

    @property
    def serves(self) -> bool:
        """Whether it has registered and reserves jobs."""
        return bool(_HEADER.unpack_from(self._memory, self._header)[1])

    @property
    def polled_at(self) -> float:
        """When it last polled, in monotonic seconds; 0: never."""
        return float(_HEADER.unpack_from(self._memory, self._header)[2])

    @property
    def turned_unpolled_s(self) -> float:
        """Seconds since its last poll in which other threads of it had their turn."""
        total_s, polled_s = _TURNS.unpack_from(self._memory, self._header + _TURNS_AT)
        return float(total_s - polled_s)

    @property
    def counters(self) -> tuple[int, int, float]:
        """Attempts, failures, and seconds spent in jobs."""
        _, _, _, jobs, failures, busy_s = _HEADER.unpack_from(self._memory, self._header)
        return jobs, failures, busy_s

    def running(self) -> list[RunningJob]:
        """Read which jobs have begun and not ended."""
        found = []
        for slot in range(self.count):
            began_at, ends_hard_at, attempt, job_id, _, job, queue = _SLOT.unpack_from(
                self._memory, self._slots + slot * _SLOT_SIZE
            )
            if began_at:
                found.append(RunningJob(slot, _text(job_id), _text(job), _text(queue), attempt, began_at, ends_hard_at))
        return found

    def holdings(self) -> list[Holding]:
        """Read the leases in hand; as they were last read where the child does not come to an end with rewriting them.

        It may have been stopped in the midst of that, or let nobody else run: it lives, and so do its leases.
        """
        for _ in range(20):
            before, size = _HOLDINGS.unpack_from(self._memory, self._holdings)
            start = self._holdings + _HOLDINGS.size
            data = self._memory[start : start + size]
            after, _ = _HOLDINGS.unpack_from(self._memory, self._holdings)
            if before == after and not before % 2:
                self._seen = _decode(data) if size else []
                break
        return self._seen

    def clear(self) -> None:
        """Make the block ready for a new child: nothing begun, nothing held, nothing said."""
        size = self._holdings + _HOLDINGS.size - self._header
        self._memory[self._header : self._header + size] = bytes(size)
        self._seen = []

    def pause(self, *, paused: bool) -> None:
        """Note whether the child is to reserve nothing."""
        self._memory[self._header + _PAUSED_AT] = paused

    def keep(self, connection: str, at: float | None = None) -> None:
        """Tell the child that its leases on a connection were renewed.

        Args:
            connection: its name; there is room for 48.
            at: when the store was asked to, in monotonic seconds; now, if None.
        """
        kept = self._kept()
        place, _ = kept.get(_hashed(connection), (len(kept), 0.0))
        if place < _KEPT_MOST:
            row = (_hashed(connection), time.monotonic() if at is None else at)
            self._put(_KEPT, self._header + _KEPT_AT + place * _KEPT.size, *row)

    def cancel(self, connection: str, ids: Mapping[str, bool]) -> None:
        """Tell the child which of its leases on a connection somebody asked to cancel, beside those on others.

        Args:
            connection: its name.
            ids: of the jobs, and whether they are to be interrupted.
        """
        if self._cancelled.get(connection) == ids:
            return
        self._cancelled[connection] = dict(ids)
        kept = [one for on_one in self._cancelled.values() for one in on_one.items()][-_CANCELLED_MOST:]
        at = self._header + _CANCELLED_AT
        data = b"".join(_CANCEL.pack(job_id.encode(), hard) for job_id, hard in kept)
        self._memory[at + _CANCELLED.size : at + _CANCELLED.size + len(data)] = data
        self._put(_CANCELLED, at, len(kept))

    @property
    def stop_wish(self) -> int:
        """How the child is to stop: 0 not, 1 after its running jobs, 2 at once."""
        return self._memory[self._header + _STOP_AT]

    def stop(self, wish: int) -> None:
        """Note how the child is to stop, as `stop_wish` tells it."""
        self._memory[self._header + _STOP_AT] = wish

    def _kept(self) -> dict[bytes, tuple[int, float]]:
        """By connection: its place in the table, and when its leases were renewed."""
        found: dict[bytes, tuple[int, float]] = {}
        for place in range(_KEPT_MOST):
            name, at = _KEPT.unpack_from(self._memory, self._header + _KEPT_AT + place * _KEPT.size)
            if not at:
                break
            found[name] = (place, at)
        return found


@functools.cache
def _hashed(connection: str) -> bytes:
    return hashlib.blake2b(connection.encode(), digest_size=8).digest()


def _holdings_size(slots: int) -> int:
    """Bytes for all the leases that a child with so many places can have in hand."""
    return max(_HOLDINGS_LEAST, 3 * slots * _HOLDING_SIZE)


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def anonymous(size: int) -> int:
    """Open memory that has a descriptor, which outlives the execution of a program, and no name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("qctl-slots")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    os.set_inheritable(descriptor, True)  # noqa: FBT003  the call has no name for it
    return descriptor
