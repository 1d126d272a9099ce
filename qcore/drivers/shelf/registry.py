"""Workers that report themselves, and the commands left for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from qcore.drivers.base import WORKER_KEPT_TERMS
from qcore.ids import new_id
from qcore.records import WorkerCommand, WorkerRecord


class _Left(NamedTuple):
    """A command for one address, and how long somebody may still take it."""

    command: WorkerCommand
    until_us: int


class Registry:
    """Who works on a store.

    Whoever calls a method holds the shelf's lock.

    Args:
        lease_s: term of a lease; three of them without a report, and a worker is forgotten.
    """

    def __init__(self, lease_s: float) -> None:
        self._kept_us = round(WORKER_KEPT_TERMS * lease_s * 1_000_000)
        self._workers: dict[str, WorkerRecord] = {}
        self._left: dict[str, list[_Left]] = {}

    def known(self, now_us: int) -> list[WorkerRecord]:
        """Those not forgotten yet, by supervisor and id."""
        self._forget_silent(now_us)
        return sorted(self._workers.values(), key=lambda worker: (worker.supervisor, worker.id))

    def report(
        self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand], now_us: int
    ) -> list[WorkerCommand]:
        """Register or renew, and drop what was taken; returns the first command left for each address that has any."""
        self._forget_silent(now_us)
        for worker in workers:
            self._workers[worker.id] = msgspec.structs.replace(worker, beat_us=now_us)
        self._drop_stale(now_us)
        if workers:
            self._drop_taken({command.id for command in taken})
        addresses = {address for worker in workers for address in (worker.id, worker.supervisor)}
        return [self._left[address][0].command for address in sorted(addresses) if address in self._left]

    def dismiss(self, ids: Iterable[str]) -> None:
        """Forget workers."""
        for worker_id in ids:
            self._workers.pop(worker_id, None)

    def command(self, address: str, command: str, now_us: int, *, adds: bool = False) -> int:
        """Leave a command at an address, or with every supervisor; returns how many workers it concerns."""
        known = self.known(now_us)
        concerned = [worker for worker in known if address in {"*", worker.id, worker.supervisor}]
        self._drop_stale(now_us)
        for place in {worker.supervisor if address == "*" else address for worker in concerned}:
            left = self._left.setdefault(place, [])
            if left and left[-1].command.command == command and not adds:
                left.pop()
            left.append(_Left(WorkerCommand(new_id(), place, command), now_us + self._kept_us))
        return len(concerned)

    def _drop_taken(self, ids: Collection[str]) -> None:
        rest = {address: [one for one in left if one.command.id not in ids] for address, left in self._left.items()}
        self._left = {address: left for address, left in rest.items() if left}

    def _forget_silent(self, now_us: int) -> None:
        silent = [worker.id for worker in self._workers.values() if worker.beat_us + self._kept_us <= now_us]
        self.dismiss(silent)

    def _drop_stale(self, now_us: int) -> None:
        """Drop what nobody took; the newest decides for all at its address."""
        self._left = {address: left for address, left in self._left.items() if now_us < left[-1].until_us}
