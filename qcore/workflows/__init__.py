"""Work made of jobs: batches, chains and graphs, which underneath are one.

`plan` is the neutral tree that `batch`, `chain` and `graph` build; `callbacks` are what runs when a flow has come so
far; `following` tells where one is, and `membership` a job what it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.manager import QueueManager, immediate
from qcore.workflows import following as _following  # noqa: F401  whoever runs callbacks needs what they are given
from qcore.workflows.membership import Membership

if TYPE_CHECKING:
    from qcore.jobs.context import JobContext


def _of(connection: str, context: JobContext) -> Membership:
    return Membership(QueueManager.current(), connection, context)


immediate.Member.of = staticmethod(_of)
