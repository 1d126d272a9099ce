"""What a store can tell a person. Only the monitor reads; no worker needs any of it to run a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qcore.flows import FlowKind, FlowPage, FlowRecord, Step
from qcore.measures import Reading, Span
from qcore.records import LimitPage, LockPage, Page, QueueCounts, StoredJob, StoreFacts, WorkerRecord


class Reader(Protocol):
    """The read side of a store. Every answer is bounded, and costs the same however much is stored."""

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Count the jobs of the named queues, or of all that were ever defined, paused or used, sorted by name.

        A named queue that the store knows nothing of is left out.
        """
        ...

    def find(self, job_id: str) -> StoredJob | None:
        """Read one job whole, wherever it is in its life."""
        ...

    def page(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
    ) -> Page:
        """List jobs of a view, newest first, in steps that neither skip nor repeat a job while others move.

        Args:
            view: `pending`, `delayed`, `processing`, `retrying`, `completed`, `failed` or `cancelled`.
            queue: only this queue's.
            cursor: `next_cursor` of the page before.
            limit: jobs, 1 to 1,000.
            payloads: read payloads and results too, which may be large; histories are always read.
        """
        ...

    def results(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """List completed jobs whose result is kept, whole, in no order that means anything.

        One whose result was there from the first page to the last is on one of them at least, whatever comes and goes.

        Args:
            cursor: `next_cursor` of the page before.
            limit: jobs, 1 to 1,000; a store may give some more.
        """
        ...

    def workers(self) -> Sequence[WorkerRecord]:
        """List the workers that reported within three lease terms, by supervisor and id."""
        ...

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List the locks that are held, by key.

        Args:
            cursor: `next_cursor` of the page before.
            limit: locks, 1 to 1,000.
        """
        ...

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List the limits by which jobs started of late, by key, and what is left of each.

        Args:
            cursor: `next_cursor` of the page before.
            limit: limits, 1 to 1,000.
        """
        ...

    def monitored_tags(self) -> Sequence[str]:
        """List the tags that somebody keeps an eye on, sorted."""
        ...

    def flow(self, flow: str) -> FlowRecord | None:
        """Read one flow."""
        ...

    def flows(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowPage:
        """List flows, newest first.

        Args:
            kinds: which ones, one at least.
            cursor: `next_cursor` of the page before.
            limit: flows, 1 to 1,000.
        """
        ...

    def steps(self, flow: str) -> Sequence[Step]:
        """Read the steps of a flow, in the order of its strands and places."""
        ...

    def steps_among(self, flow: str, ids: Sequence[str]) -> Sequence[Step]:
        """Read those of the ids that are steps of a flow, in no order."""
        ...

    def payloads_of(self, flow: str) -> Sequence[bytes]:
        """Read the payloads that a flow keeps for later: of callbacks, and of steps that have not started or may again.

        Those of jobs that are stored by themselves are not among them.
        """
        ...

    def failed_of(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Name failed members of a flow, by id."""
        ...

    def readings(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """Read what was measured of jobs, one reading for each span, queue and class, in that order.

        The days that are no longer kept are one more day, which begins at the minute `EVER`.

        Args:
            span: how much time one covers; how long each is kept, `Span.kept` says.
            first: the minute since the epoch, by the store's clock, in which the first may begin.
            after: the minute before which the last begins.
        """
        ...

    def ping(self) -> float:
        """Ask the store for an answer; returns the seconds it took, or raises `ConnectionFailed`."""
        ...

    def facts(self) -> StoreFacts:
        """Tell what the store is and how it is set up. Changes nothing: tables are neither made nor updated.

        What it may not be asked for is left out.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        ...
