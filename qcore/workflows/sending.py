"""Storing work that is stored in one step, and what may follow what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qcore.errors import PayloadTooLargeError
from qcore.flows import FlowKind, Weave
from qcore.ids import new_id
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.workflows.pending import Pending, part_of, strand_of
from qcore.workflows.plan import Node, Planner, Spec, Whole, connection_for, in_a_row, jobs_in

MOST_STEPS = 10_000
"""Steps of a chain or graph, what is nested in it included."""
MOST_BYTES = 64 * 1024 * 1024


def send(whole: Whole, session: Any = None) -> str:
    """Store a flow in one step; returns its id.

    Raises:
        PayloadTooLargeError: it has more steps, or bytes, than one step can store.
    """
    manager = QueueManager.current()
    connection = connection_for(manager, whole.spec, jobs_in(whole.strands))
    flow_id = new_id()
    weave = Planner(manager, connection).opening(whole, flow_id)
    _check_size(weave, whole.spec.kind)
    manager.weave(connection, weave, session=session)
    return flow_id


def parts_in_a_row(works: Sequence[Any]) -> list[Node]:
    """The steps of a chain: another chain's are its own, and a list is a batch."""
    parts: list[Job | Whole] = []
    for place, work in enumerate(works):
        where = f"step {place + 1} of the chain"
        whole = work.whole() if isinstance(work, Pending) else None
        if isinstance(work, (list, tuple)):
            parts.append(Whole(Spec(FlowKind.BATCH), [strand_of(one, where) for one in work]))
        elif whole is not None and whole.spec.kind is FlowKind.CHAIN and not whole.spec.callbacks:
            parts += [node.work for strand in whole.strands for node in strand]
        else:
            parts.append(part_of(work, where))
    return in_a_row(parts)


def _check_size(weave: Weave, kind: FlowKind) -> None:
    steps = len(weave.steps) + len(weave.members)
    size = sum(len(step.envelope.payload) for step in weave.steps if step.envelope is not None)
    size += sum(len(envelope.payload) for envelope in weave.members)
    if steps > MOST_STEPS or size > MOST_BYTES:
        raise PayloadTooLargeError(
            f"a {kind} of {steps:,} steps with {size:,} bytes is above what is stored in one step "
            f"({MOST_STEPS:,} steps, {MOST_BYTES:,} bytes)",
            hint="use a batch, which is stored piece by piece, or let a step append the next ones",
        )
