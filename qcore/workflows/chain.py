"""Chains: jobs that follow each other, each with what the one before returned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcore.flows import FlowKind
from qcore.workflows.pending import Pending, works_in
from qcore.workflows.plan import Node, Whole
from qcore.workflows.sending import parts_in_a_row, send


def chain(jobs: Iterable[Any]) -> PendingChain:
    """Let jobs follow each other: `chain([Extract(), Transform(), Load()]).dispatch()`.

    Args:
        jobs: jobs, batches, which the next step waits for as a whole, and other chains. A list is a batch.

    Returns:
        The chain, to be described; nothing is stored before its `dispatch()`.

    Raises:
        ConfigurationError: it is no list of jobs, but a single one, or nothing.

    Source: Laravel's `Bus::chain`. There the rest of the chain travels in each link, and a crash in between doubles
    one; here steps lie in the store, and the next one is stored in the step in which the one before completes.
    """
    return PendingChain(jobs)


class PendingChain(Pending):
    """A chain that is being described: `chain([...])` makes one. Each call returns it, `dispatch` the chain's id."""

    def __init__(self, jobs: Iterable[Any]) -> None:
        super().__init__(FlowKind.CHAIN)
        self._jobs = list(works_in(jobs, "chain()"))

    def whole(self) -> Whole:
        """Return itself as a part of other work.

        Raises:
            ConfigurationError: one of its steps is no job, and no other work.
        """
        nodes: list[Node] = parts_in_a_row(self._jobs)
        return Whole(self._spec, [nodes] if nodes else [])

    def dispatch(self, *, session: Any = None) -> str:
        """Store the chain in one step; returns its id.

        Args:
            session: an SQLAlchemy session on the chain's own database: it is stored in its transaction.

        Raises:
            ConfigurationError: a step is no job or goes to another connection, or a callback cannot travel.
            PayloadTooLargeError: it has more steps, or bytes, than one step can store.
            QueueError: as `Job.dispatch` raises; nothing was stored.
        """
        return send(self.whole(), session, self._take_id())
