"""The verbs of an operator."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.database.flow_statements import counted_in
from qcore.drivers.database.operations import Operations
from qcore.drivers.database.schema import CANCEL_HARD, CANCEL_SOFT, CANCELLED, COMPLETED, FOREVER_US, LEASED
from qcore.drivers.notes import Note, Word, retried_note
from qcore.flows import StepState
from qcore.limits import pack_own

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.operator import Change, FlowChange, Move
    from qcore.flows import Flow
    from qcore.limits import Limit
    from qcore.records import QueueDefinition, Restored

_encode = msgspec.json.Encoder().encode

_ENDED_AS = {"completed": COMPLETED, "cancelled": CANCELLED}


class DatabaseOperator:
    """The `Operator` face of a database."""

    _link: Link

    @cached_property
    def _operations(self) -> Operations:
        return Operations(self._link.tables, self._link.dialect)

    def define(self, definitions: Sequence[QueueDefinition]) -> None:
        """Publish what `define_queue` says; see `Operator.define`."""
        rows = [
            {"name": d.name, "max_jobs": d.max_jobs, "definition": _encode(d).decode()}
            for d in sorted(definitions, key=lambda definition: definition.name)
        ]
        if rows:
            self._link.run(lambda connection: self._operations.define.many(connection, rows))

    def limit(self, queue: str, limit: Limit | None) -> None:
        """Let so many jobs of the queue start in a window, whatever its definition says; see `Operator.limit`."""
        limiting, say = self._link.limiting, self._link.limiting.say

        def keep(connection: Connection) -> None:
            was = limiting.of_queues(connection, [queue]).get(queue)
            say.own.run(connection, name=queue, own_limit=pack_own(limit))
            if say.open.run(connection, queue=queue).rowcount:
                self._link.moves.announce(connection, [queue])
            waited = limiting.lift(connection, was.key) if was is not None else []
            for some in (waited[first : first + 1000] for first in range(0, len(waited), 1000)):
                self._link.moving.release(connection, some, 0)

        self._link.run(keep)

    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Let the queue give no jobs; whether that changed anything."""
        return self._link.run(lambda connection: self._pause(connection, queue, for_s, reason))

    def resume(self, queue: str) -> bool:
        """Let the queue give jobs again; whether it had been paused."""

        def resume(connection: Connection) -> bool:
            was_paused = bool(self._operations.resume.run(connection, queue=queue).rowcount)
            if was_paused:
                self._link.moves.announce(connection, [queue])
            return was_paused

        return self._link.run(resume)

    def clear(self, queue: str, *, limit: int = 1000, token: str | None = None) -> int:
        """Drop up to `limit` waiting jobs of the queue; returns how many."""

        def clear(connection: Connection) -> int:
            dropped = 0
            for statement in (self._operations.ready, self._operations.delayed):
                ids = statement.run(connection, queue=queue, most=limit - dropped).scalars()
                if ids:
                    self._link.dropping.keep_waiting(connection, token, ids)
                    told = self._flows_of(connection, ids)
                    self._link.statements.drop.run(connection, ids=self._link.dialect.pack(ids))
                    self._link.locking.free(connection, ids)
                    self._link.limiting.give_back(connection, ids)
                    self._link.flowing.ended(connection, told, StepState.CANCELLED)
                    dropped += len(ids)
            return dropped

        return self._link.run(clear)

    def retry(self, ids: Sequence[str], *, delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put failed jobs back as pending; returns the ids put back."""
        if not ids:
            return []

        def retry(connection: Connection) -> Sequence[str]:
            failed = self._failed(connection, ids)
            for job_id in self._link.locking.refused_again(connection, [one for one in ids if one in failed]):
                del failed[job_id]
            if failed:
                names = self._link.dialect.pack(list(failed))
                told = self._link.flowing.say.flows_of_failed.run(connection, ids=names).all()
                self._operations.restore.run(connection, ids=names)
                self._link.moving.put_off(
                    connection, {one: us for one, us in (delays_us or {}).items() if one in failed}
                )
                self._operations.forget.run(connection, ids=names)
                if told:
                    self._link.flowing.move(connection, [retried_note(*row) for row in told])
                self._link.moves.announce(connection, failed.values())
            return [job_id for job_id in dict.fromkeys(ids) if job_id in failed]

        return self._link.run(retry)

    def release(self, ids: Sequence[str], *, delay_us: int = 0) -> Sequence[str]:
        """Let jobs that wait be due so long from now; returns their ids."""
        return self._link.run(lambda connection: self._link.moving.release(connection, ids, delay_us)) if ids else []

    def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Let jobs that wait, or have failed, go to other queues; returns their ids."""
        return self._link.run(lambda connection: self._link.moving.move(connection, moves)) if moves else []

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> Sequence[str]:
        """Drop failed jobs, for good or kept under a token; returns the ids dropped."""
        if not ids:
            return []

        def forget(connection: Connection) -> Sequence[str]:
            failed = self._failed(connection, ids)
            if failed:
                self._link.dropping.keep_failed(connection, token, list(failed))
                self._operations.forget.run(connection, ids=self._link.dialect.pack(list(failed)))
            return [job_id for job_id in dict.fromkeys(ids) if job_id in failed]

        return self._link.run(forget)

    def restore(self, token: str, *, cursor: str | None = None, limit: int = 1000) -> Restored:
        """Bring back jobs that were dropped under a token; see `Operator.restore`."""
        return self._link.run(lambda connection: self._link.dropping.restore(connection, token, cursor or "", limit))

    def flush(
        self, *, queue: str | None = None, before_us: int | None = None, limit: int = 1000, view: str = "failed"
    ) -> int:
        """Drop up to `limit` jobs that ended so before an instant; returns how many."""
        say, is_failed = self._operations, view == "failed"
        every, of_one = (say.old_failed, say.old_failed_of) if is_failed else (say.old_ended, say.old_ended_of)
        values: dict[str, Any] = {"before_us": FOREVER_US if before_us is None else before_us, "most": limit}
        values |= {} if is_failed else {"ended_as": _ENDED_AS[view]}
        values |= {} if queue is None else {"queue": queue}
        drop = say.forget if is_failed else say.forget_ended

        def flush(connection: Connection) -> int:
            ids = (every if queue is None else of_one).run(connection, **values).scalars()
            if ids:
                drop.run(connection, ids=self._link.dialect.pack(ids))
            return len(ids)

        return self._link.run(flush)

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel jobs: a waiting one ends, a leased one is marked; returns the ids that ended."""
        if not ids:
            return []
        return self._link.run(lambda connection: self._cancel(connection, ids, CANCEL_HARD if hard else CANCEL_SOFT))

    def reseal(self, changes: Sequence[Change]) -> Sequence[str]:
        """Put new payloads in the place of old ones; returns the ids changed."""
        operations = self._operations
        ordered = sorted(changes)  # in id order, as all who hold several rows

        def reseal(connection: Connection) -> Sequence[str]:
            done = set()
            for change in ordered:
                values = change._asdict()
                for statement in (operations.reseal_waiting, operations.reseal_failed):
                    if statement.run(connection, **values).rowcount:
                        done.add(change.id)
                        break
            return [change.id for change in changes if change.id in done]

        return self._link.run(reseal) if changes else []

    def reseal_results(self, changes: Sequence[Change]) -> int:
        """Put new results in the place of old ones; returns how many."""
        say = self._operations.reseal_result
        ordered = [change._asdict() for change in sorted(changes)]  # in id order, as all who hold several rows
        return self._link.run(lambda connection: sum(say.run(connection, **one).rowcount for one in ordered))

    def take_lock(self, key: str, owner: str, for_us: int) -> bool:
        """Take a unique lock for a job that lives elsewhere; whether it was free."""
        return self._link.run(lambda connection: self._link.locking.take(connection, key, owner, for_us))

    def release_lock(self, key: str, owner: str | None = None) -> bool:
        """Free a lock, whosever it is or only that job's; whether it was held."""
        say = self._link.locking.say
        free, values = (say.free_key, {}) if owner is None else (say.free_key_of, {"job_id": owner})
        return self._link.run(lambda connection: bool(free.run(connection, key=key, **values).rowcount))

    def mark_tags(self, tags: Sequence[str], *, monitored: bool) -> int:
        """Note which tags are monitored; returns for how many that changed anything."""

        def mark(connection: Connection) -> int:
            known = set(self._operations.tags.run(connection).scalars())
            changed = sorted(set(tags) - known if monitored else set(tags) & known)
            if changed and monitored:
                self._operations.mark_tag.many(connection, [{"name": tag} for tag in changed])
            elif changed:
                self._operations.unmark_tags.run(connection, ids=self._link.dialect.pack(changed))
            return len(changed)

        return self._link.run(mark)

    def monitored_tags(self) -> Sequence[str]:
        """List the tags that somebody keeps an eye on, sorted."""
        return sorted(self._link.read(lambda connection: self._operations.tags.run(connection).scalars()))

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        """Note how far a running job has come."""
        values = {"job_id": job_id, "percent": percent, "note": note}
        self._link.run_lightly(lambda connection: self._operations.progress.run(connection, **values))

    def close_flow(self, flow: str) -> bool:
        """Let an open flow finish; whether it was open."""
        return self._note(Note(flow, Word.CLOSE), lambda known: known.is_open)

    def cancel_flow(self, flow: str) -> bool:
        """Stop a flow; whether it was under way."""
        is_under_way = self._note(
            Note(flow, Word.CANCEL), lambda known: known.finished_us is None and known.cancelled_us is None
        )
        if is_under_way:
            while self._link.run(lambda connection: self._link.flowing.sweep_on(connection, flow)):
                pass
        return is_under_way

    def retry_flow(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Put failed members of a flow back; returns their ids."""
        return self.retry(self._link.run(lambda connection: self._failed_of(connection, flow, limit)))

    def reseal_flow(self, change: FlowChange) -> int:
        """Put new payloads, options and results in the place of those that a flow keeps; returns how many."""
        return self._link.run(lambda connection: self._link.flowing.reseal(connection, change))

    def delete_flow(self, flow: str) -> bool:
        """Forget a flow and its steps; whether it was there."""
        return self._link.run(lambda connection: self._link.flowing.delete(connection, flow))

    def _failed_of(self, connection: Connection, flow: str, limit: int) -> Sequence[str]:
        """The failed members of a flow, unless it was deleted."""
        flowing = self._link.flowing
        if flowing.held(connection, flow) is None:
            return []
        return flowing.say.failed_members.run(connection, most=limit, **counted_in(flow)).scalars()

    def _note(self, note: Note, concerns: Callable[[Flow], bool]) -> bool:
        def tell(connection: Connection) -> bool:
            known = self._link.flowing.held(connection, note.flow)
            if known is None or not concerns(known):
                return False
            self._link.flowing.move(connection, [note])
            return True

        return self._link.run(tell)

    def _flows_of(self, connection: Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Id and flow of those of the live jobs that have one."""
        rows = self._link.flowing.say.flows_of.run(connection, ids=self._link.dialect.pack(ids))
        return [(row[0], row[1]) for row in rows]

    def _pause(self, connection: Connection, queue: str, for_s: float | None, reason: str | None) -> bool:
        self._link.statements.know_queue.run(connection, name=queue)  # then there is a row to hold
        now_us, before_us, before = self._operations.pause_of.run(connection, name=queue).one()
        until_us = FOREVER_US if for_s is None else now_us + round(for_s * 1_000_000)
        self._operations.pause.run(connection, name=queue, paused_until_us=until_us, pause_reason=reason)
        return (until_us, reason) != (before_us, before)

    def _failed(self, connection: Connection, ids: Sequence[str]) -> dict[str, str]:
        """The queue of each of the ids that has failed."""
        rows = self._operations.failed_among.run(connection, ids=self._link.dialect.pack(ids))
        return {row[0]: row[1] for row in rows}

    def _cancel(self, connection: Connection, ids: Sequence[str], mark: int) -> Sequence[str]:
        pack, operations = self._link.dialect.pack, self._operations
        live = operations.to_cancel.run(connection, ids=pack(ids)).all()
        leased = [job_id for job_id, _, state in live if state == LEASED]
        waiting = {job_id: queue for job_id, queue, state in live if state != LEASED}
        if leased:
            operations.mark.run(connection, ids=pack(leased), mark=mark)
        if waiting:
            told = self._flows_of(connection, list(waiting))
            self._link.locking.end_waiting(connection, waiting)
            self._link.flowing.ended(connection, told, StepState.CANCELLED)
        return [job_id for job_id in dict.fromkeys(ids) if job_id in waiting]
