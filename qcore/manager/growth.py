"""What a member of a batch, chain or graph adds to it, sealed as it completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qcore.flows import Growth, Role, flow_in, membership
from qcore.identity import on_behalf_of
from qcore.jobs.context import JobContext

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.jobs.job import Job
    from qcore.manager.manager import QueueManager


def growth_of(manager: QueueManager, settings: ConnectionSettings, context: JobContext | None) -> Growth | None:
    """Seal what a job wants to be added to its flow; None where it wants nothing.

    Raises:
        PayloadError: one of those jobs cannot travel.
    """
    if context is None or context.wanted is None or context.flow is None:
        return None
    manager.trace()
    flow, wanted = flow_in(context.flow), context.wanted

    def sealed(jobs: list[Job], role: Role) -> tuple[Any, ...]:
        told = membership(flow, role)
        return tuple(manager.seal(job, settings, flow=told, queue=context.queue) for job in jobs)

    with on_behalf_of(wanted.identity):
        return Growth(
            next=sealed(wanted.next, Role.STEP),
            last=sealed(wanted.last, Role.STEP),
            members=sealed(wanted.members, Role.MEMBER),
        )
