"""What a job may ask of the batch, chain or graph it belongs to."""

from __future__ import annotations

from typing import Any

from qcore.drivers.notes import COUNTED
from qcore.flows import FlowKind, Step, flow_in, role_in
from qcore.jobs.context import JobContext
from qcore.jobs.guarding import read_result
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.workflows.batch import JobBatch, batch_of
from qcore.workflows.plan import require_connection


class Membership:
    """A job's place in its flow.

    Args:
        manager: whose keys open results.
        connection: from which the job came.
        context: of its attempt.
    """

    def __init__(self, manager: QueueManager, connection: str, context: JobContext) -> None:
        self._manager = manager
        self._connection = connection
        self._store = manager.connection(connection)
        self._context = context
        self._told = context.flow or ""

    @property
    def batch(self) -> JobBatch | None:
        """The batch whose member the job is, as it is now; None for a step of a chain or graph."""
        record = self._store.flow(flow_in(self._told))
        if record is None or role_in(self._told) not in COUNTED:
            return None
        return batch_of(record, self._manager, self._connection, self._context)

    def parent_results(self) -> dict[str, Any]:
        """What each step returned for which the job waited, by its name or id."""
        flow, job_id = flow_in(self._told), self._context.job_id
        for step in self._store.steps_among(flow, [job_id]):
            parents = {parent.id: parent for parent in self._store.steps_among(flow, step.parents)}
            found = [parents[one] for one in step.parents if one in parents]
            return {parent.name or parent.id: self._result(parent) for parent in found}
        return {}

    def require_here(self, job: Job) -> None:
        """See that a job which is to be added goes to no other connection.

        Raises:
            ConfigurationError: it goes elsewhere, or nowhere.
        """
        if job.connection:
            record = self._store.flow(flow_in(self._told))
            kind = FlowKind.CHAIN if record is None else record.flow.kind
            require_connection(self._manager, self._connection, job.connection, type(job).__qualname__, kind)

    def _result(self, step: Step) -> Any:
        if step.is_flow:
            found = [self._result(one) for one in self._store.steps(step.id) if not one.children]
            inner = self._store.flow(step.id)
            is_chain = inner is not None and inner.flow.kind is FlowKind.CHAIN
            return found[-1] if is_chain and found else found
        if step.result is None:
            return None
        keyring = self._manager.keyring(self._connection)
        return read_result(step.result, step.id, step.job, keyring)
