"""Where a chain, graph or batch is: what a person asks, and what a callback is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from qcore.flows import Flow, FlowKind, FlowRecord, Step, StepState, outcome_of, percent_of
from qcore.manager import QueueManager
from qcore.states import JobState
from qcore.workflows.batch import JobBatch
from qcore.workflows.callbacks import Callback, failure_of
from qcore.workflows.finding import delete_flow, find_flow, retry_all
from qcore.workflows.options import options_in

if TYPE_CHECKING:
    from qcore.drivers import Store

_ENDED = {
    StepState.PROCESSED: JobState.COMPLETED,
    StepState.FAILED: JobState.FAILED,
    StepState.CANCELLED: JobState.CANCELLED,
    StepState.SKIPPED: JobState.CANCELLED,
}


class StepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a chain or graph."""

    job_id: str
    """Of its job; of a nested batch or chain the id of that."""
    name: str | None
    """As `add` of a graph called it; None in a chain."""
    job: str
    """Class path; of a nested batch or chain its name."""
    state: JobState
    """PENDING also while it waits for others; CANCELLED also where one before it failed."""
    runtime_s: float | None = None
    """Seconds that its last attempt took; None before it ended."""
    error: str | None = None
    """Of one that failed, in one line; None of all others."""
    after: tuple[str, ...] = ()
    """Ids of the steps it waits for."""
    is_flow: bool = False
    """Whether it is a nested batch, chain or graph."""
    progress: int | None = None
    """Percent, 0 to 100, of a nested batch or chain; None of a job."""


class ChainStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a chain, graph or batch is."""

    chain_id: str
    """As `dispatch` returned it."""
    kind: str
    """`chain`, `graph` or `batch`."""
    name: str
    """As its maker called it; empty if he did not."""
    state: JobState
    """PENDING until a step has ended, then PROCESSING; COMPLETED, FAILED or CANCELLED once it has ended itself."""
    current_step: int
    """From 1; of one that has ended the last that ran."""
    total_steps: int
    """Its steps; those added on the way are among them once they are stored."""
    progress: int
    """Percent of its steps that have ended, 0 to 100."""
    steps: tuple[StepStatus, ...]
    """In the order in which they were given."""
    error: str | None = None
    """Of the step that failed it; None if none did."""


class Found(NamedTuple):
    """A flow that was read already."""

    record: FlowRecord
    connection: str
    manager: QueueManager


class ChainMonitor:
    """Follows one chain or graph.

    Args:
        chain_id: as `dispatch` returned it.
        connection: where to look; on every connection in use if None.
        found: by somebody before.

    Raises:
        ConfigurationError: that is no id, but None or the like.
        JobNotFound: no store knows it (any more).
        ConnectionFailed: a store did not answer.

    Source: ours; Laravel keeps nothing of a chain but what its links carry.
    """

    def __init__(self, chain_id: str, connection: str | None = None, *, found: Found | None = None) -> None:
        self._manager = found.manager if found is not None else QueueManager.current()
        self._record, self._connection = found[:2] if found else find_flow(self._manager, chain_id, connection)

    @property
    def id(self) -> str:
        """Its id, a UUIDv7."""
        return self._record.flow.id

    @property
    def options(self) -> dict[str, Any]:
        """What `with_option` said."""
        return dict(options_in(self._record.options).get("options", {}))

    def get_status(self) -> ChainStatus:
        """Read how far it is; the store is asked each time.

        Returns:
            How far it is, with a line for each step.

        Raises:
            JobNotFound: it has been deleted or pruned since.
            ConnectionFailed: the store did not answer.
        """
        self._record, _ = find_flow(self._manager, self.id, self._connection)
        return status_of(self._record.flow, self._store)

    def cancel(self) -> bool:
        """Cancel what has not begun; returns whether it was under way. What runs is told, and ends as it will.

        Raises:
            ConnectionFailed: the store did not answer.
        """
        return self._store.cancel_flow(self.id)

    def retry(self) -> bool:
        """Let it go on from the steps that failed; returns whether there were any.

        Raises:
            ConnectionFailed: the store did not answer.
        """
        return bool(retry_all(self._store, self.id))

    def delete(self) -> bool:
        """Forget it; what runs of it counts nowhere. Returns whether it was there.

        Raises:
            QueueError: it is a step of a batch or chain that is still stored.
            ConnectionFailed: the store did not answer.
        """
        return delete_flow(self._store, self._record.flow)

    @property
    def _store(self) -> Store:
        return self._manager.connection(self._connection)


def handle_of(flow_id: str, manager: QueueManager) -> tuple[Any, str]:
    """What a callback is given: a batch, or the monitor of a chain or graph; and the connection it is on."""
    record, name = find_flow(manager, flow_id, None)
    is_batch = record.flow.kind is FlowKind.BATCH
    found = JobBatch(record, manager, name) if is_batch else ChainMonitor(flow_id, found=Found(record, name, manager))
    return found, name


Callback.follow = staticmethod(handle_of)


def state_of(flow: Flow) -> JobState:
    """The state of a flow, as a job's."""
    if flow.finished_us is not None or flow.cancelled_us is not None:
        return _ENDED[outcome_of(flow)]
    return JobState.PROCESSING if flow.ended else JobState.PENDING


def status_of(flow: Flow, store: Store) -> ChainStatus:
    """How far a flow is, with its steps; members of a batch that wait for nobody are no steps."""
    steps = tuple(_status(step, store) for step in store.steps(flow.id))
    begun = [place for place, step in enumerate(steps, 1) if step.state not in {JobState.PENDING, JobState.CANCELLED}]
    return ChainStatus(
        chain_id=flow.id,
        kind=flow.kind.value,
        name=flow.name,
        state=state_of(flow),
        current_step=_current(steps, begun),
        total_steps=flow.total,
        progress=percent_of(flow),
        steps=steps,
        error=str(failure_of(store, flow.id)) if flow.failed_us is not None else None,
    )


def _current(steps: tuple[StepStatus, ...], begun: list[int]) -> int:
    """The first step that has not completed, if it has begun or may; else the last that ran."""
    for place, step in enumerate(steps, 1):
        if step.state is not JobState.COMPLETED and step.state is not JobState.CANCELLED:
            return place
    return begun[-1] if begun else min(1, len(steps))


def _status(step: Step, store: Store) -> StepStatus:
    runtime_s = None if step.runtime_us is None else step.runtime_us / 1_000_000
    state, progress = _ENDED.get(step.state), None
    if step.is_flow:
        record = store.flow(step.id)
        progress = None if record is None else percent_of(record.flow)
        state = state or (JobState.PENDING if record is None or not step.state else state_of(record.flow))
    elif state is None and step.state is StepState.STARTED:
        job = store.find(step.id)
        state = job.state if job is not None else None
    return StepStatus(
        job_id=step.id,
        name=step.name,
        job=step.job,
        state=state or JobState.PENDING,
        runtime_s=runtime_s,
        error=step.error,
        after=step.parents,
        is_flow=step.is_flow,
        progress=progress,
    )
