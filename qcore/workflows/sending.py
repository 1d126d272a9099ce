"""Storing work that is stored in one step, and what may follow what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qcore.flows import FlowKind
from qcore.ids import new_id
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.workflows.pending import Pending, part_of, strand_of
from qcore.workflows.plan import Node, Planner, Spec, Whole, connection_for, in_a_row, jobs_in
from qcore.workflows.sizes import refuse_large


def send(whole: Whole, session: Any = None, flow_id: str | None = None) -> str:
    """Store a flow in one step; returns its id.

    Raises:
        PayloadTooLargeError: it has more steps, or bytes, than one step can store.
    """
    manager = QueueManager.current()
    connection = connection_for(manager, whole.spec, jobs_in(whole.strands))
    flow_id = flow_id or new_id()
    weave = Planner(manager, connection).opening(whole, flow_id)
    refuse_large(weave, whole.spec.kind)
    manager.weave(connection, weave, session=session)
    return flow_id


def parts_in_a_row(works: Sequence[Any]) -> list[Node]:
    """The steps of a chain: another's, of which nothing else is said, are its own, and a list is a batch."""
    parts: list[Job | Whole] = []
    for place, work in enumerate(works):
        where = f"step {place + 1} of the chain"
        whole = work.whole() if isinstance(work, Pending) else None
        if isinstance(work, (list, tuple)):
            parts.append(Whole(Spec(FlowKind.BATCH), [strand_of(one, where) for one in work]))
        elif whole is not None and whole.spec.kind is FlowKind.CHAIN and whole.spec.is_plain:
            parts += [node.work for strand in whole.strands for node in strand]
        else:
            parts.append(whole or part_of(work, where))  # a generator within it was read just now
    return in_a_row(parts)
