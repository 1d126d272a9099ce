"""What a person, or code on their behalf, does to a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from qcore.envelope import Envelope
from qcore.limits import Limit
from qcore.records import QueueDefinition, Restored, WorkerCommand, WorkerRecord


class Change(NamedTuple):
    """One payload or result that another is to take the place of."""

    id: str
    old: bytes
    new: bytes


class Move(NamedTuple):
    """One job that is to go to another queue."""

    id: str
    queue: str
    """Where it is to go."""
    old: bytes
    """Its payload."""
    new: bytes
    """The payload that says so."""


class FlowChange(NamedTuple):
    """What is to take the place of what a flow keeps for later."""

    flow: str
    payloads: Mapping[bytes, bytes]
    """Of its steps and callbacks, new by old."""
    options: tuple[bytes, bytes] | None = None
    """What its maker said of it, old and new; None leaves it."""
    results: Sequence[Change] = ()
    """What its steps returned."""


def resealed(envelope: Envelope, change: FlowChange) -> Envelope:
    """An envelope that a flow keeps, with the payload that is to take the place of its own, if one is."""
    new = change.payloads.get(envelope.payload)
    return envelope if new is None else msgspec.structs.replace(envelope, payload=new)


class Operator(Protocol):
    """What a person, or code on their behalf, does to a store. In bounded steps that return counts."""

    def define(self, definitions: Sequence[QueueDefinition]) -> None:
        """Publish what `define_queue` says, for every process; fields an operator set (see `limit`) stay."""
        ...

    def limit(self, queue: str, limit: Limit | None) -> None:
        """Let so many jobs of the queue start in a window, whatever its definition says; None: as many as can."""
        ...

    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Let the queue give no jobs, for ever or for `for_s` seconds; whether that changed anything."""
        ...

    def resume(self, queue: str) -> bool:
        """Let the queue give jobs again; whether it had been paused."""
        ...

    def clear(self, queue: str, *, limit: int = 1000, token: str | None = None) -> int:
        """Drop up to `limit` waiting jobs of the queue (pending, delayed, retrying; none that is leased).

        Args:
            queue: whose.
            limit: jobs.
            token: under which they are kept for `base.DROPPED_KEPT_S`, for `restore`; None: for good.

        Returns:
            Jobs dropped; call again until it is 0.
        """
        ...

    def retry(self, ids: Sequence[str], *, delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put failed jobs back as pending: no tries charged, their errors kept; past any capacity.

        A unique job takes its lock again. One whose key another job holds stays where it is, for as long as that lives.

        Args:
            ids: of the jobs. Of several of a key the first is put back.
            delays_us: by id, how long from now a job is to wait; those that are not named are due now.

        Returns:
            Ids put back; those that are not in the failed store, or stay there, are left out.
        """
        ...

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> Sequence[str]:
        """Drop failed jobs, for good or kept under a token as `clear` does; returns the ids dropped."""
        ...

    def restore(self, token: str, *, cursor: str | None = None, limit: int = 1000) -> Restored:
        """Bring back about `limit` jobs that were dropped under a token: as new ones, past any capacity.

        Their ids, payloads, priorities and tags are those they had; no try is charged and no error kept. One that
        waited is due when it was, one that had failed is due now. One whose unique lock another job holds, that
        belonged to a flow, or whose id is in use stays dropped, and may be asked for again until its time is over.

        Args:
            token: that `clear` or `forget` was given.
            cursor: `cursor` of the step before.
            limit: jobs that are looked at, 1 to 1,000; a store may look at some more.
        """
        ...

    def flush(
        self, *, queue: str | None = None, before_us: int | None = None, limit: int = 1000, view: str = "failed"
    ) -> int:
        """Drop up to `limit` jobs that have ended, of a queue or all, before an instant; returns how many.

        Args:
            queue: only this one's.
            before_us: when they ended at the latest; any time if None.
            limit: jobs.
            view: `failed`, `completed` or `cancelled`: how they ended.
        """
        ...

    def release(self, ids: Sequence[str], *, delay_us: int = 0) -> Sequence[str]:
        """Let jobs that wait be due so long from now, sooner or later than they were; their tries stay.

        With no delay one that is due already keeps its place.

        Returns:
            Ids of those that waited; what runs or has ended is left out.
        """
        ...

    def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Let jobs that wait, or have failed, go to other queues, past any capacity; all else about them stays.

        Args:
            moves: at most 1,000, each of another job.

        Returns:
            Ids moved; those that run, have ended otherwise or have another payload by now are left out.
        """
        ...

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel jobs: one that waits ends as cancelled, a leased one is marked and its worker told.

        Args:
            ids: of the jobs.
            hard: the worker interrupts those that run. Asked once, this holds, whoever asks again without it.

        Returns:
            Ids that ended here and now, so that no worker will run them.
        """
        ...

    def reseal(self, changes: Sequence[Change]) -> Sequence[str]:
        """Put new payloads in the place of old ones, for jobs that wait or have failed and still have the old one.

        Args:
            changes: at most 1,000, each of another job.

        Returns:
            Ids changed; those that run, have ended or have another payload by now are left out.
        """
        ...

    def reseal_results(self, changes: Sequence[Change]) -> int:
        """Put new results in the place of old ones, for completed jobs that still have the old one; its time stays.

        Args:
            changes: at most 1,000, each of another job.

        Returns:
            How many were changed; one that is gone or another by now stays so.
        """
        ...

    def take_lock(self, key: str, owner: str, for_us: int) -> bool:
        """Take a unique lock here for a job that lives elsewhere; whether it was free, or that job's already.

        Args:
            key: 190 characters at the most.
            owner: id of the job.
            for_us: from now, after which it is free whatever became of the job; not 0.
        """
        ...

    def release_lock(self, key: str, owner: str | None = None) -> bool:
        """Free a lock of any kind, whosever it is or only that job's; whether it was held."""
        ...

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        """Register workers, or renew what is known of them (`beat_us` is the store's now).

        One that has not reported for three lease terms is forgotten.

        Args:
            workers: as they are; none: nothing happens.
            taken: commands that reports answered before and that were obeyed since. They are dropped, no others.

        Returns:
            For each of these workers and of their supervisors the command that was left first, if there is any. It is
            given again until it is taken, so whoever obeys it keeps its id in mind till then.
        """
        ...

    def dismiss(self, workers: Sequence[str]) -> None:
        """Forget workers that have ended."""
        ...

    def command(self, address: str, command: str, *, adds: bool = False) -> int:
        """Leave a command for workers.

        One that repeats the last at its address takes its place, under an id of its own: it is given once where that
        was not given yet, and again where it was. One that `adds` stands beside it.

        Args:
            address: a worker's id, a supervisor's, or `*` for all supervisors.
            command: `pause`, `continue`, `restart`, `terminate`, `stack`, `grow` or `shrink`.
            adds: said twice it is to be done twice.

        Returns:
            How many known workers it concerns; 0 leaves none.
        """
        ...

    def close_flow(self, flow: str) -> bool:
        """Let an open flow finish once all its members have ended; whether it was open."""
        ...

    def cancel_flow(self, flow: str) -> bool:
        """Stop a flow: none of its members is reserved from here on. Whether it was under way.

        Those that wait end as cancelled, many of them at once and the rest soon after; those in a worker's hands are
        marked as `cancel` does, and count as they end.
        """
        ...

    def retry_flow(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Put up to `limit` failed members of a flow back, as `retry` does: it is under way again. Returns their ids.

        A step that was skipped because one of them failed waits for it again.
        """
        ...

    def reseal_flow(self, change: FlowChange) -> int:
        """Put new payloads, options and results of steps in the place of those that a flow keeps.

        Returns:
            How many were changed; what is not as it was any more stays as it is.
        """
        ...

    def delete_flow(self, flow: str) -> bool:
        """Forget a flow, its steps and the flows among them; whether it was there.

        Its jobs live on, and count nowhere.
        """
        ...

    def mark_tags(self, tags: Sequence[str], *, monitored: bool) -> int:
        """Note which tags somebody wants to keep an eye on, or no longer; returns for how many that changed anything.

        Args:
            tags: of jobs, 190 characters each at the most.
            monitored: or no longer.
        """
        ...

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        """Note how far a running job has come; nothing happens if it runs no more."""
        ...
