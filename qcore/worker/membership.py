"""What a worker sees to for members of batches, chains and graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.notes import COUNTED
from qcore.flows import Growth, flow_in, role_in
from qcore.jobs.context import JobContext
from qcore.manager.growth import growth_of as sealed_growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from qcore.jobs.job import Job
    from qcore.manager import QueueManager
    from qcore.worker.lane import Lane
    from qcore.workflows.membership import Membership


def member_of(lane: Lane, context: JobContext) -> Membership | None:
    """What a job may ask of its flow; None where it is no member of one."""
    if context.flow is None or lane.manager is None:
        return None
    from qcore.workflows.membership import Membership  # what most workers never need

    return Membership(lane.manager, lane.settings.name, context)


def growth_of(lane: Lane, context: JobContext | None) -> Growth | None:
    """Seal what a job that completes wants to be added to its flow."""
    if context is None or context.wanted is None or lane.manager is None:
        return None
    return sealed_growth(lane.manager, lane.settings, context)


def excuses(lane: Lane, manager: QueueManager, told: str, error: BaseException, job: Callable[[], Job | None]) -> bool:
    """Whether a flow's own judge excuses a failure; without one none is."""
    if role_in(told) not in COUNTED or not isinstance(error, Exception):
        return False
    from qcore.workflows.callbacks import judge_of

    record = lane.store.flow(flow_in(told))
    judge = None if record is None else judge_of(record, manager, lane.settings.name)
    return judge is not None and bool(judge(error, job()))
