"""What a person, or code on their behalf, does to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from qcore.drivers.claims import Holder
from qcore.drivers.notes import Note, Word, ended_note, retried_note
from qcore.drivers.shelf.lane import FOR_EVER
from qcore.flows import StepState
from qcore.limits import pack_own
from qcore.states import JobState, LockKind

if TYPE_CHECKING:
    from qcore.drivers.operator import Change, FlowChange, Move
    from qcore.drivers.shelf.entry import Entry
    from qcore.drivers.shelf.shelf import Shelf
    from qcore.flows import Flow
    from qcore.limits import Limit
    from qcore.records import QueueDefinition, Restored, WorkerCommand, WorkerRecord


class Operating:
    """The `Operator` face."""

    _shelf: Shelf

    def define(self, definitions: Sequence[QueueDefinition]) -> None:
        """Publish what `define_queue` says."""
        with self._shelf.lock:
            for definition in definitions:
                self._shelf.lane(definition.name).definition = definition

    def limit(self, queue: str, limit: Limit | None) -> None:
        """Let so many jobs of the queue start in a window, whatever its definition says."""
        with self._shelf.lock:
            lane = self._shelf.lane(queue)
            was = lane.limit
            lane.own_limit = pack_own(limit)
            lane.open()
            if was is not None:
                self.release(self._shelf.limits.lift(was.key))
            self._shelf.ring()

    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Let the queue give no jobs, for ever or for a while; whether that changed anything."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            lane = self._shelf.lane(queue)
            before = (lane.paused_until_us, lane.pause_reason) if lane.is_paused(now_us) else None
            until_us = FOR_EVER if for_s is None else now_us + round(for_s * 1_000_000)
            lane.paused_until_us, lane.pause_reason = until_us, reason
            self._shelf.ring()
            return before != (until_us, reason)

    def resume(self, queue: str) -> bool:
        """Let the queue give jobs again; whether it had been paused."""
        with self._shelf.lock:
            lane = self._shelf.lanes.get(queue)
            if lane is None or not lane.is_paused(self._shelf.now()):
                return False
            lane.paused_until_us, lane.pause_reason = 0, None
            self._shelf.ring()
            return True

    def clear(self, queue: str, *, limit: int = 1000, token: str | None = None) -> int:
        """Drop up to `limit` waiting jobs of the queue; returns how many."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            lane = self._shelf.lanes.get(queue)
            waiting = lane.by_due.smallest(limit) if lane is not None else []
            entries = [self._shelf.entries[job_id] for _, _, job_id in waiting]
            self._shelf.dropped.keep(token, entries, now_us)
            for entry in entries:
                self._shelf.drop(entry, now_us)
            self._tell_flows(entries, now_us)
            return len(waiting)

    def retry(self, ids: Sequence[str], *, delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put failed jobs back as pending; returns the ids put back."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            done = []
            for job_id in self._failed(ids):
                delay_us = delays_us.get(job_id, 0) if delays_us else 0
                if self._shelf.restore(self._shelf.entries[job_id], now_us, now_us + delay_us):
                    done.append(job_id)
            entries = [self._shelf.entries[job_id] for job_id in done]
            told = [(entry.id, entry.envelope.flow, entry.history) for entry in entries]
            notes = [retried_note(job_id, flow, history) for job_id, flow, history in told if flow is not None]
            self._shelf.flows.move(notes, now_us)
            self._shelf.ring()
            return done

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> Sequence[str]:
        """Drop failed jobs, for good or kept under a token; returns the ids dropped."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            failed = self._failed(ids)
            self._shelf.dropped.keep(token, [self._shelf.entries[job_id] for job_id in failed], now_us)
            for job_id in failed:
                self._shelf.drop(self._shelf.entries[job_id], now_us)
            return failed

    def restore(self, token: str, *, cursor: str | None = None, limit: int = 1000) -> Restored:
        """Bring back jobs that were dropped under a token; see `Operator.restore`."""
        with self._shelf.lock:
            restored = self._shelf.dropped.restore(token, cursor or "", limit, self._shelf.now())
            self._shelf.ring()
            return restored

    def release(self, ids: Sequence[str], *, delay_us: int = 0) -> Sequence[str]:
        """Let jobs that wait be due so long from now; returns their ids."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            entries = [self._shelf.entries[one] for one in dict.fromkeys(ids) if one in self._shelf.entries]
            waiting = [entry for entry in entries if entry.is_waiting]
            for entry in waiting:
                due_us = now_us + delay_us if delay_us else min(entry.due_us, now_us)
                self._shelf.move(entry, entry.state, now_us, due_us=due_us)
            self._shelf.ring()
            return [entry.id for entry in waiting]

    def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Let jobs that wait, or have failed, go to other queues; returns their ids."""
        done = []
        with self._shelf.lock:
            now_us = self._shelf.now()
            for move in moves:
                entry = self._open(move.id, move.old)
                if entry is not None:
                    self._shelf.carry(entry, replace(entry.envelope, queue=move.queue, payload=move.new), now_us)
                    done.append(move.id)
            self._shelf.ring()
        return done

    def flush(
        self, *, queue: str | None = None, before_us: int | None = None, limit: int = 1000, view: str = "failed"
    ) -> int:
        """Drop up to `limit` jobs that ended so before an instant; returns how many."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            lanes = self._shelf.lanes.values() if queue is None else self._shelf.known([queue])
            keys = chain.from_iterable(lane.views[view].smallest(limit) for lane in lanes)
            old = [job_id for ended_us, _, job_id in keys if before_us is None or ended_us < before_us]
            for job_id in islice(old, limit):
                self._shelf.drop(self._shelf.entries[job_id], now_us)
            return min(len(old), limit)

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel jobs: waiting ones end, leased ones are marked; returns the ids that ended."""
        ended = []
        with self._shelf.lock:
            now_us = self._shelf.now()
            for job_id in ids:
                entry = self._shelf.entries.get(job_id)
                if entry is not None and entry.is_waiting:
                    self._shelf.end(entry, JobState.CANCELLED, now_us)
                    ended.append(job_id)
                elif entry is not None and entry.state is JobState.PROCESSING:
                    entry.cancel_requested = True
                    entry.cancel_hard = entry.cancel_hard or hard
            self._tell_flows([self._shelf.entries[job_id] for job_id in ended], now_us)
        return ended

    def close_flow(self, flow: str) -> bool:
        """Let a flow finish that was open; whether it was."""
        return self._note(flow, Word.CLOSE, lambda known: known.is_open)

    def cancel_flow(self, flow: str) -> bool:
        """Stop a flow; whether it was under way."""
        return self._note(flow, Word.CANCEL, lambda known: known.finished_us is None and known.cancelled_us is None)

    def retry_flow(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Put failed members of a flow back; returns their ids."""
        with self._shelf.lock:
            return self.retry([entry.id for entry in self._shelf.flows.failed(flow)][:limit])

    def reseal_flow(self, change: FlowChange) -> int:
        """Put new payloads in the place of those that a flow keeps for later; returns how many."""
        with self._shelf.lock:
            return self._shelf.flows.reseal(change)

    def delete_flow(self, flow: str) -> bool:
        """Forget a flow and its steps; whether it was there."""
        with self._shelf.lock:
            return self._shelf.flows.delete(flow)

    def _note(self, flow: str, word: Word, concerns: Callable[[Flow], bool]) -> bool:
        with self._shelf.lock:
            known = self._shelf.flows.flows([flow]).get(flow)
            if known is None or not concerns(known):
                return False
            self._shelf.flows.move([Note(flow, word)], self._shelf.now())
            self._shelf.ring()
            return True

    def _tell_flows(self, cancelled: Sequence[Entry], now_us: int) -> None:
        told = [(entry.id, entry.envelope.flow) for entry in cancelled]
        notes = [ended_note(job_id, flow, StepState.CANCELLED) for job_id, flow in told if flow is not None]
        self._shelf.flows.move(notes, now_us)

    def reseal(self, changes: Sequence[Change]) -> Sequence[str]:
        """Put new payloads in the place of old ones; returns the ids changed."""
        done = []
        with self._shelf.lock:
            for job_id, old, new in changes:
                entry = self._open(job_id, old)
                if entry is not None:
                    entry.envelope = replace(entry.envelope, payload=new)
                    done.append(job_id)
        return done

    def reseal_results(self, changes: Sequence[Change]) -> int:
        """Put new results in the place of old ones; returns how many."""
        done = 0
        with self._shelf.lock:
            for job_id, old, new in changes:
                entry = self._shelf.entries.get(job_id)
                if entry is not None and entry.result == old:
                    entry.result = new
                    done += 1
        return done

    def take_lock(self, key: str, owner: str, for_us: int) -> bool:
        """Take a unique lock for a job that lives elsewhere; whether it was free."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            holder = self._shelf.locks.holder(key, now_us)
            if holder is not None:
                return holder.owner == owner
            taken = Holder(owner=owner, first_us=now_us, until_us=now_us + for_us)
            self._shelf.locks.take(key, LockKind.UNIQUE, taken, now_us)
            return True

    def release_lock(self, key: str, owner: str | None = None) -> bool:
        """Free a lock, whosever it is or only that job's; whether it was held."""
        with self._shelf.lock:
            self._shelf.locks.holder(key, self._shelf.now())
            return self._shelf.locks.free(key, owner)

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        """Register workers or renew what is known of them; returns what was left for them, see `Operator.report`."""
        with self._shelf.lock:
            return self._shelf.registry.report(workers, taken, self._shelf.now())

    def dismiss(self, workers: Sequence[str]) -> None:
        """Forget workers that have ended."""
        with self._shelf.lock:
            self._shelf.registry.dismiss(workers)

    def command(self, address: str, command: str, *, adds: bool = False) -> int:
        """Leave a command for workers; returns how many known ones it concerns."""
        with self._shelf.lock:
            return self._shelf.registry.command(address, command, self._shelf.now(), adds=adds)

    def mark_tags(self, tags: Sequence[str], *, monitored: bool) -> int:
        """Note which tags are monitored; returns for how many that changed anything."""
        with self._shelf.lock:
            known = self._shelf.tags
            changed = set(tags) - known if monitored else set(tags) & known
            self._shelf.tags ^= changed
            return len(changed)

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        """Note how far a running job has come; nothing happens if it runs no more."""
        with self._shelf.lock:
            entry = self._shelf.entries.get(job_id)
            if entry is not None and entry.state is JobState.PROCESSING:
                entry.progress, entry.progress_note = percent, note

    def _open(self, job_id: str, payload: bytes) -> Entry | None:
        """The job, if it waits or has failed and has that payload."""
        entry = self._shelf.entries.get(job_id)
        is_open = entry is not None and (entry.is_waiting or entry.state is JobState.FAILED)
        return entry if entry is not None and is_open and entry.envelope.payload == payload else None

    def _failed(self, ids: Sequence[str]) -> list[str]:
        entries = self._shelf.entries
        return [i for i in dict.fromkeys(ids) if i in entries and entries[i].state is JobState.FAILED]
