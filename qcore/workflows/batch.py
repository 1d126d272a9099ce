"""Batches: many jobs that are counted together, with callbacks when they have come so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain as joined
from typing import TYPE_CHECKING, Any, Self

from qcore.clock import instant
from qcore.drivers.base import MAX_PUSH
from qcore.errors import ConfigurationError
from qcore.flows import FlowKind, FlowRecord, Hook, has_hook, percent_of
from qcore.ids import ids_from, new_id
from qcore.jobs.context import JobContext, Wanted
from qcore.manager import QueueManager
from qcore.workflows.finding import delete_flow, find_flow, retry_all
from qcore.workflows.options import options_in
from qcore.workflows.pending import Pending, allowance_of, works_in
from qcore.workflows.plan import Call, Node, Spec, Whole, connection_for, jobs_in, require_connection
from qcore.workflows.streaming import Sender, Shown, Told, piece_of, pieces_of, strands_of, stream, tell_with

if TYPE_CHECKING:
    from qcore.drivers import Store


def batch(jobs: Iterable[Any]) -> PendingBatch:
    """Count jobs together: `batch([A(), B(), [C(), D()]]).then(f).dispatch()`.

    Args:
        jobs: jobs, lists of jobs that follow each other, chains, graphs and other batches. Any iterable: it is read
            once, as the batch is dispatched, a thousand at a time. What a generator gives is dispatched once.

    Returns:
        The batch, to be described; nothing is stored before its `dispatch()`.

    Raises:
        ConfigurationError: it is no list of jobs, but a single one, or nothing.

    Source: Laravel's `Bus::batch`; there a failed job stays pending for good, here it has ended.
    """
    return PendingBatch(jobs)


class PendingBatch(Pending):
    """A batch that is being described: `batch([...])` makes one. Each call returns it, `dispatch` the batch's id."""

    def __init__(self, jobs: Iterable[Any]) -> None:
        super().__init__(FlowKind.BATCH)
        self._jobs = works_in(jobs, "batch()")
        self._is_used_up = False

    def before(self, call: Call) -> Self:
        """Call this before the first job runs; the jobs wait for it. It takes nothing, or the batch.

        Args:
            call: a function, as of `then`.

        Raises:
            ConfigurationError: it is no function.
        """
        return self._call(Hook.BEFORE, call)

    def progress(self, call: Call) -> Self:
        """Call this when jobs have ended; one call at a time, however many they were. It takes nothing, or the batch.

        Args:
            call: a function, as of `then`.

        Raises:
            ConfigurationError: it is no function.

        Source: Laravel's `progress`, which is called for each job by itself.
        """
        return self._call(Hook.PROGRESS, call)

    def allow_failures(self, allowed: int | str | Call | None = None) -> Self:
        """Let so many jobs fail; one more fails the batch and cancels the rest.

        Args:
            allowed: a number, a share of all jobs ("5%"), or a function of exception and job that says whether that
                failure does not count; without it any number may fail.

        Raises:
            ConfigurationError: it is none of these.

        Source: Laravel's `allowFailures`, which takes true or functions; numbers and shares are ours.
        """
        self._spec.allowance = allowance_of(allowed)
        return self

    def whole(self) -> Whole:
        """Return itself as a part of other work.

        Raises:
            ConfigurationError: one of its jobs is none, or what gave them was used up before.
        """
        return Whole(self._spec, list(self._strands()))

    def dispatch(self, *, session: Any = None, told: Told | None = None) -> str:
        """Store the batch; returns its id.

        Up to a thousand jobs are one atomic step. More are stored a thousand at a time, and the batch is open until
        the last of them: it does not finish before, and what was stored runs meanwhile.

        Args:
            session: an SQLAlchemy session on the batch's own database: it is stored in its transaction.
            told: is told how many jobs are stored so far.

        Raises:
            ConfigurationError: one of its jobs is none, goes to another connection, or what gave them was used up
                before; or a callback cannot travel: a closure needs the app key.
            QueueError: as `Job.dispatch` raises. Of a batch that was begun the message says its id: it is open, and
                may be closed or cancelled (`JobBatch`, `qctl batch`).
        """
        manager = QueueManager.current()
        strands = self._strands()
        first = piece_of(strands)
        connection = connection_for(manager, self._spec, jobs_in(first))
        sender = Sender(manager, connection, self._spec, session, self._take_id())
        rest = piece_of(strands)
        flow_id = sender.begin(first, is_open=bool(rest))
        if rest:
            stream(sender, joined([rest], pieces_of(strands)), told or Shown(self._jobs))
        return flow_id

    def _strands(self) -> Iterator[list[Node]]:
        """Read the members, one by one; of what can be read once only, once."""
        jobs = iter(self._jobs)
        if jobs is self._jobs:
            if self._is_used_up:
                raise ConfigurationError(
                    f"the {type(jobs).__name__} of this batch was used up when it was dispatched before",
                    hint="give a list, or make a new batch for each dispatch",
                )
            self._is_used_up = True
        return strands_of(jobs)


class JobBatch:
    """A batch as the store knew it when it was read; `fresh()` reads it again. Made by `find`, or a job's `batch`.

    `total_jobs` is the sum of pending, processed, failed and cancelled ones.

    Source: Laravel's `Batch`, whose pending jobs include the failed ones.
    """

    def __init__(
        self, record: FlowRecord, manager: QueueManager, connection: str, context: JobContext | None = None
    ) -> None:
        self._record = record
        self._flow = record.flow
        self._manager = manager
        self._connection = connection
        self._context = context
        """Of the member that asks, where one does."""

    @classmethod
    def find(cls, batch_id: str, connection: str | None = None) -> Self:
        """Find a batch by its id.

        Args:
            batch_id: as `dispatch` returned it.
            connection: where to look; on every connection in use if None.

        Raises:
            ConfigurationError: that is no id, but None or the like.
            JobNotFound: no store knows it (any more).
            ConnectionFailed: a store did not answer.
        """
        manager = QueueManager.current()
        record, name = find_flow(manager, batch_id, connection)
        return cls(record, manager, name)

    def __repr__(self) -> str:
        return f"<JobBatch {self.id} {self.name or 'without a name'} {self.progress()}%>"

    @property
    def id(self) -> str:
        """Its id, a UUIDv7."""
        return self._flow.id

    @property
    def name(self) -> str:
        """As its maker called it; empty if he did not."""
        return self._flow.name

    @property
    def total_jobs(self) -> int:
        """Jobs stored so far."""
        return self._flow.total

    @property
    def processed_jobs(self) -> int:
        """Jobs that ended well."""
        return self._flow.processed

    @property
    def failed_jobs(self) -> int:
        """Jobs that failed for good."""
        return self._flow.failed

    @property
    def cancelled_jobs(self) -> int:
        """Jobs that were cancelled, or never began because of what failed before them."""
        return self._flow.cancelled

    @property
    def pending_jobs(self) -> int:
        """Jobs that have not ended."""
        return max(0, self._flow.total - self._flow.ended)

    @property
    def failed_job_ids(self) -> list[str]:
        """Ids of failed jobs that are still in the failed list, a thousand at the most; the store is asked.

        Raises:
            ConnectionFailed: it did not answer.
        """
        return list(self._store.failed_of(self.id))

    @property
    def options(self) -> dict[str, Any]:
        """What `with_option` said."""
        return dict(options_in(self._record.options).get("options", {}))

    @property
    def created_at(self) -> datetime:
        """When it was stored, aware UTC."""
        return instant(self._flow.created_us)

    @property
    def finished_at(self) -> datetime | None:
        """When its last job ended, aware UTC; None while one has not, or more are to come."""
        return _instant(self._flow.finished_us)

    @property
    def cancelled_at(self) -> datetime | None:
        """When it was stopped, by a person or by failures, aware UTC; None if it was not."""
        return _instant(self._flow.cancelled_us)

    @property
    def is_open(self) -> bool:
        """Whether more jobs are to come: its producer has not said that it is complete."""
        return self._flow.is_open

    def progress(self) -> int:
        """Tell how many percent of its jobs have ended, however: 0 to 100."""
        return percent_of(self._flow)

    def finished(self) -> bool:
        """Whether all of its jobs have ended."""
        return self._flow.finished_us is not None

    def cancelled(self) -> bool:
        """Whether it was stopped, by a person or by failures."""
        return self._flow.cancelled_us is not None

    def failed(self) -> bool:
        """Whether more jobs failed than may."""
        return self._flow.failed_us is not None

    def has_failures(self) -> bool:
        """Whether a job has failed for good."""
        return self._flow.failed > 0

    def fresh(self) -> JobBatch:
        """Read it again; returns what it is now, and changes nothing of this.

        Raises:
            JobNotFound: it has been deleted or pruned since.
            ConnectionFailed: the store did not answer.
        """
        record, name = find_flow(self._manager, self.id, self._connection)
        return JobBatch(record, self._manager, name, self._context)

    def add(self, jobs: Iterable[Any]) -> int:
        """Add jobs; returns how many were given.

        From inside a member, up to a thousand jobs are stored in the same step in which that completes: an attempt
        that fails has added nothing. More, or lists and other work, are stored at once, and an attempt that adds them
        again adds nothing. From elsewhere they are stored at once. To a batch that was cancelled nothing is added that
        would run.

        Args:
            jobs: as `batch()` takes them; any iterable, read a thousand at a time.

        Raises:
            ConfigurationError: one is no job, or goes to another connection.
            QueueError: it has finished, or as `Job.dispatch` raises; what was added before that is told.

        Source: Laravel's `add`, which a member alone should call; its jobs are stored even if the attempt then fails.
        """
        strands = strands_of(works_in(jobs, "add()"))
        first, rest = piece_of(strands), piece_of(strands)
        wanted = None if rest else self._wanted(first)
        if wanted is not None:
            self._require_here(first)
            wanted.members += [node.work for (node,) in first]
            return len(first)
        settings = self._manager.settings.connection(self._connection)
        sender = Sender(self._manager, settings, self._spec(), None, flow_id=self.id, ids=self._ids())
        try:
            for piece in joined(filter(None, (first, rest)), pieces_of(strands)):
                sender.add(piece)
        except BaseException as error:
            if sender.stored:
                tell_with(error, f"{sender.stored:,} were added to batch {self.id} before that")
            raise
        return sender.stored

    def close(self) -> bool:
        """Say that no more jobs are to come: it finishes with what is stored. Returns whether it was open.

        Raises:
            ConnectionFailed: the store did not answer.
        """
        return self._store.close_flow(self.id)

    def cancel(self) -> bool:
        """Cancel what has not begun; returns whether it was under way. What runs is told, and counted as it ends.

        Raises:
            ConnectionFailed: the store did not answer.

        Source: Laravel's `cancel`, which leaves waiting jobs to run unless they check.
        """
        return self._store.cancel_flow(self.id)

    def retry(self) -> int:
        """Put its failed jobs back, and let it go on; returns how many. A callback that ran does not run again.

        Raises:
            ConnectionFailed: the store did not answer; what was put back before stays so.
        """
        return retry_all(self._store, self.id)

    def delete(self) -> bool:
        """Forget it; its jobs live on and count nowhere. Returns whether it was there.

        Raises:
            QueueError: it is a step of a batch or chain that is still stored.
            ConnectionFailed: the store did not answer.
        """
        return delete_flow(self._store, self._flow)

    @property
    def _store(self) -> Store:
        return self._manager.connection(self._connection)

    def _wanted(self, strands: Sequence[Sequence[Node]]) -> Wanted | None:
        """Where jobs are kept until the member that adds them has completed; None where they are stored at once."""
        context = self._context
        if context is None or self._flow.parent is not None or not all(_is_one_job(strand) for strand in strands):
            return None
        wanted = context.want("add")
        return wanted if len(wanted.members) + len(strands) <= MAX_PUSH else None

    def _require_here(self, strands: Sequence[Sequence[Node]]) -> None:
        for job in jobs_in(strands):
            if job.connection:
                what = type(job).__qualname__
                require_connection(self._manager, self._connection, job.connection, what, self._flow.kind)

    def _ids(self) -> Callable[[], str]:
        """Names what a member adds at once: the same, in the same order, in each of its attempts."""
        if self._context is None:
            return new_id
        wanted = self._context.want("add")
        wanted.ids = wanted.ids or ids_from(self._context.job_id)
        return wanted.ids

    def _spec(self) -> Spec:
        """What is to be known of it by whoever adds to it."""
        spec = Spec(self._flow.kind)
        spec.queue = options_in(self._record.options).get("queue")
        spec.holds = has_hook(self._flow, Hook.BEFORE) or self._flow.parent is not None
        return spec


def _is_one_job(strand: Sequence[Node]) -> bool:
    return len(strand) == 1 and not isinstance(strand[0].work, Whole)


def batch_of(record: FlowRecord, manager: QueueManager, connection: str, context: JobContext) -> JobBatch | None:
    """The batch of a member; None where what it belongs to is none."""
    if record.flow.kind is not FlowKind.BATCH:
        return None
    return JobBatch(record, manager, connection, context)


def _instant(us: int | None) -> datetime | None:
    return None if us is None else instant(us)
