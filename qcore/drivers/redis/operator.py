"""What a person, or code on their behalf, does to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qcore.drivers.base import WORKER_KEPT_TERMS
from qcore.drivers.redis.scripts import script
from qcore.drivers.redis.wire import DIGITS, LAST_US, pack
from qcore.ids import new_id
from qcore.limits import pack_own
from qcore.records import Restored, WorkerCommand
from qcore.states import Refusal

if TYPE_CHECKING:
    from qcore.drivers.operator import Change, Move
    from qcore.drivers.redis.server import Argument, Server
    from qcore.limits import Limit
    from qcore.records import QueueDefinition, WorkerRecord

_AT_ONCE = 1000
"""Ids a script is given: no step holds the server up."""


class RedisOperator:
    """The `Operator` face."""

    _server: Server

    if TYPE_CHECKING:

        def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
            """As of the driver, the other half of a store."""

    def define(self, definitions: Sequence[QueueDefinition]) -> None:
        """Publish what `define_queue` says, for every process."""
        arguments: list[Argument] = []
        for definition in definitions:
            most = "" if definition.max_jobs is None else definition.max_jobs
            arguments += (definition.name, pack(definition), most)
        if arguments:
            self._server.run(script("define"), arguments)

    def limit(self, queue: str, limit: Limit | None) -> None:
        """Let so many jobs of the queue start in a window, whatever its definition says; see `Operator.limit`."""
        was = self.limited([queue]).get(queue)
        self._server.run(script("limit"), [queue, pack_own(limit), "" if was is None else was.key])

    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Let the queue give no jobs, for ever or for `for_s` seconds; whether that changed anything."""
        for_us = "" if for_s is None else round(for_s * 1_000_000)
        told = ("0", "") if reason is None else ("1", reason)
        return bool(self._server.run(script("pause"), [queue, for_us, *told]))

    def resume(self, queue: str) -> bool:
        """Let the queue give jobs again; whether it had been paused."""
        return bool(self._server.run(script("resume"), [queue]))

    def clear(self, queue: str, *, limit: int = 1000, token: str | None = None) -> int:
        """Drop up to `limit` waiting jobs of the queue; returns how many."""
        return int(self._server.run(script("clear"), [queue, limit, token or ""]))

    def retry(self, ids: Sequence[str], *, delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put failed jobs back as pending; returns the ids put back."""
        named = {job_id: min(delay_us, LAST_US) for job_id, delay_us in (delays_us or {}).items()}
        return self._each("retry", ids, pack(named))

    def release(self, ids: Sequence[str], *, delay_us: int = 0) -> Sequence[str]:
        """Let jobs that wait be due so long from now; returns their ids."""
        return self._each("release", ids, str(min(delay_us, LAST_US)))

    def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Let jobs that wait, or have failed, go to other queues; returns their ids."""
        if not moves:
            return []
        arguments: list[Argument] = [part for move in moves for part in move]
        return [job_id.decode() for job_id in self._server.run(script("move"), arguments)]

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> Sequence[str]:
        """Drop failed jobs, for good or kept under a token; returns the ids dropped."""
        return self._each("forget", ids, token or "")

    def restore(self, token: str, *, cursor: str | None = None, limit: int = 1000) -> Restored:
        """Bring back jobs that were dropped under a token; see `Operator.restore`."""
        after, ids, *refused = self._server.run(script("restore"), [token, cursor or "0", limit])
        reasons = zip((Refusal.MEMBER, Refusal.TAKEN, Refusal.LOCKED), refused, strict=True)
        return Restored(
            tuple(job_id.decode() for job_id in ids),
            tuple((job_id.decode(), reason) for reason, some in reasons for job_id in some),
            None if after == b"0" else after.decode(),
        )

    def flush(
        self, *, queue: str | None = None, before_us: int | None = None, limit: int = 1000, view: str = "failed"
    ) -> int:
        """Drop up to `limit` jobs that ended so before an instant; returns how many."""
        before = "+inf" if before_us is None else f"({before_us}"
        only = [] if queue is None else [queue]
        return int(self._server.run(script("flush"), [limit, before, view, *only]))

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel jobs: waiting ones end, leased ones are marked; returns the ids that ended."""
        return self._each("cancel", ids, "1" if hard else "0")

    def reseal(self, changes: Sequence[Change]) -> Sequence[str]:
        """Put new payloads in the place of old ones; returns the ids changed."""
        if not changes:
            return []
        arguments: list[Argument] = [part for change in changes for part in change]
        return [job_id.decode() for job_id in self._server.run(script("reseal"), arguments)]

    def reseal_results(self, changes: Sequence[Change]) -> int:
        """Put new results in the place of old ones; returns how many."""
        if not changes:
            return 0
        kept = self._server.call("HMGET", f"{self._server.root}results", *(change.id for change in changes))
        swaps: list[Argument] = []
        for (job_id, old, new), value in zip(changes, kept, strict=True):
            if value and value[DIGITS:] == old:
                swaps += ("results", job_id, value, value[:DIGITS] + new)
        return int(self._server.run(script("swap"), swaps)) if swaps else 0

    def take_lock(self, key: str, owner: str, for_us: int) -> bool:
        """Take a unique lock for a job that lives elsewhere; whether it was free."""
        return bool(self._server.run(script("take_lock"), [key, owner, for_us]))

    def release_lock(self, key: str, owner: str | None = None) -> bool:
        """Free a lock, whosever it is or only that job's; whether it was held."""
        return bool(self._server.run(script("release_lock"), [key] if owner is None else [key, owner]))

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        """Register workers or renew what is known of them; returns what was left for them, see `Operator.report`."""
        if not workers:
            return ()
        arguments: list[Argument] = [self._kept_us, len(taken)]
        for command in taken:
            arguments += (command.address, f"{command.id} {command.command}")
        for worker in workers:
            arguments += (worker.id, worker.supervisor, pack(worker))
        told = iter(self._server.run(script("report"), arguments))
        return [_command(address.decode(), left.decode()) for address, left in zip(told, told, strict=True)]

    def dismiss(self, workers: Sequence[str]) -> None:
        """Forget workers that have ended."""
        if workers:
            self._server.run(script("dismiss"), workers)

    def command(self, address: str, command: str, *, adds: bool = False) -> int:
        """Leave a command for workers; returns how many known ones it concerns, see `Operator.command`."""
        return int(self._server.run(script("command"), [address, command, self._kept_us, new_id(), int(adds)]))

    def mark_tags(self, tags: Sequence[str], *, monitored: bool) -> int:
        """Note which tags are monitored; returns for how many that changed anything."""
        return int(self._server.call("SADD" if monitored else "SREM", f"{self._server.root}tags", *tags)) if tags else 0

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        """Note how far a running job has come; nothing happens if it runs no more."""
        self._server.run(script("progress"), [job_id, pack((percent, note))])

    @property
    def _kept_us(self) -> int:
        """How long a worker may be silent before it is forgotten, and a command unheard."""
        return round(WORKER_KEPT_TERMS * self._server.settings.lease_s * 1_000_000)

    def _each(self, verb: str, ids: Sequence[str], *before: str | bytes) -> list[str]:
        done: list[str] = []
        distinct = list(dict.fromkeys(ids))
        for first in range(0, len(distinct), _AT_ONCE):
            reply = self._server.run(script(verb), [*before, *distinct[first : first + _AT_ONCE]])
            done += [job_id.decode() for job_id in reply]
        return done


def _command(address: str, left: str) -> WorkerCommand:
    command_id, _, command = left.partition(" ")
    return WorkerCommand(command_id, address, command)
