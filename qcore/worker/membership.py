"""What a job may ask of the batch, chain or graph it belongs to, and what it adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qcore.codec import decode_value
from qcore.drivers.notes import COUNTED
from qcore.flows import Growth, Role, Step, flow_in, membership, role_in
from qcore.jobs.context import JobContext
from qcore.jobs.guarding import open_result

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers import Store
    from qcore.jobs.job import Job
    from qcore.manager import QueueManager
    from qcore.worker.lane import Lane
    from qcore.workflows.batch import JobBatch


class Membership:
    """A job's place in its flow.

    Args:
        lane: in which it runs.
        manager: seals what it adds.
        context: of its attempt.
    """

    def __init__(self, lane: Lane, manager: QueueManager, context: JobContext) -> None:
        self._store: Store = lane.store
        self._settings: ConnectionSettings = lane.settings
        self._manager = manager
        self._context = context
        self._told = context.flow or ""

    @property
    def batch(self) -> JobBatch | None:
        """The batch whose member the job is, as it is now; None for a step of a chain or graph."""
        from qcore.workflows.batch import batch_of

        record = self._store.flow(flow_in(self._told))
        if record is None or role_in(self._told) not in COUNTED:
            return None
        return batch_of(record, self._manager, self._settings.name, self._context)

    def parent_results(self) -> dict[str, Any]:
        """What each step returned for which the job waited, by its name or id."""
        flow, job_id = flow_in(self._told), self._context.job_id
        for step in self._store.steps_among(flow, [job_id]):
            parents = {parent.id: parent for parent in self._store.steps_among(flow, step.parents)}
            found = [parents[one] for one in step.parents if one in parents]
            return {parent.name or parent.id: self._result(parent) for parent in found}
        return {}

    def _result(self, step: Step) -> Any:
        if step.is_flow:
            return [self._result(one) for one in self._store.steps(step.id) if not one.children]
        if step.result is None:
            return None
        keyring = self._manager.keyring(self._settings.name)
        return decode_value(open_result(step.result, step.id, step.job, keyring))


def growth_of(lane: Lane, context: JobContext | None) -> Growth | None:
    """Seal what a job that completes wants to be added to its flow."""
    if context is None or context.wanted is None or context.flow is None or lane.manager is None:
        return None
    seal, settings, flow = lane.manager.seal, lane.settings, flow_in(context.flow)

    def sealed(jobs: list[Job], role: Role) -> tuple[Any, ...]:
        return tuple(seal(job, settings, flow=membership(flow, role), queue=context.queue) for job in jobs)

    wanted = context.wanted
    return Growth(
        next=sealed(wanted.next, Role.STEP),
        last=sealed(wanted.last, Role.STEP),
        members=sealed(wanted.members, Role.MEMBER),
    )


def excuses(lane: Lane, manager: QueueManager, told: str, error: BaseException, job: Job | None) -> bool:
    """Whether a flow's own judge excuses a failure; without one none is."""
    if role_in(told) not in COUNTED or not isinstance(error, Exception):
        return False
    from qcore.workflows.callbacks import judge_of

    record = lane.store.flow(flow_in(told))
    judge = None if record is None else judge_of(record, manager, lane.settings.name)
    return judge is not None and bool(judge(error, job))
