"""What a fake remembers: jobs that were pushed, and batches, chains and graphs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qcore.flows import Flow, FlowKind, Hook, Step, Weave, flow_in, has_hook
from qcore.jobs.job import Job
from qcore.testing.matching import all_match
from qcore.workflows.options import options_in

if TYPE_CHECKING:
    from datetime import datetime

_CALLS = {
    Hook.BEFORE: "before",
    Hook.PROGRESS: "progress",
    Hook.THEN: "then",
    Hook.CATCH: "catch",
    Hook.FINALLY: "finally_",
}


@dataclass(frozen=True, eq=False)
class Pushed:
    """One job that was pushed by itself, or as a part of other work.

    Args:
        id: of the job.
        job: as it was dispatched.
        queue: where it went.
        connection: the name of its queue's connection.
        delay_s: seconds until it was due, when it was pushed.
        due_at: when it was due, aware UTC; None of one that was due at once.
        flow: the id of its batch, chain or graph.
    """

    id: str
    job: Job
    queue: str
    connection: str
    delay_s: float = 0.0
    due_at: datetime | None = None
    flow: str | None = None


@dataclass(eq=False)
class PushedFlow:
    """A batch, chain or graph that was pushed.

    Args:
        id: as `dispatch` returned it.
        kind: `batch`, `chain` or `graph`.
        name: as it was called; empty if it was not.
        connection: where it went.
        allowed: failures that may be; -1: any number. A share is `allowed_share`.
        allowed_share: 0 to 1; None where a number was said.
        callbacks: which it has: `before`, `progress`, `then`, `catch`, `finally_`.
        options: what `with_option` said.
        jobs: jobs, lists of jobs that follow each other, and work nested in it; of a chain its steps.
    """

    id: str
    kind: str
    name: str
    connection: str
    allowed: int = 0
    allowed_share: float | None = None
    callbacks: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    jobs: list[Any] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many jobs it has, those of nested work among them."""
        return sum(1 for _ in self.every_job())

    def has_jobs(self, expected: Iterable[Any]) -> bool:
        """Whether its jobs are these, in this order: classes, instances, lists of them, or nested work.

        Args:
            expected: a class stands for any job of it, an instance for one with the same arguments.

        Raises:
            TypeError: one of them is no job.
        """
        return all_match(list(expected), self.jobs)

    def every_job(self) -> Iterator[Job]:
        """Every job of it, nested work and all."""
        yield from _flat(self.jobs)


def _flat(works: Iterable[Any]) -> Iterator[Job]:
    for work in works:
        if isinstance(work, PushedFlow):
            yield from work.every_job()
        elif isinstance(work, list):
            yield from _flat(work)
        else:
            yield work


def flows_in(weave: Weave, jobs: Mapping[str, Job], connection: str) -> list[PushedFlow]:
    """The flows that a weave opens, the outermost first, with what is nested in it in its place.

    Args:
        weave: as it was stored.
        jobs: by the ids of their envelopes.
        connection: where it was stored.
    """
    found = {one.flow.id: _flow(one.flow, options_in(one.options), connection) for one in weave.openings}
    for flow in found.values():
        flow.jobs += works_in(weave, flow.id, jobs, found)
    return list(found.values())


def works_in(weave: Weave, flow: str, jobs: Mapping[str, Job], known: Mapping[str, PushedFlow]) -> list[Any]:
    """What a weave brings to one flow: its jobs, strands and nested work, in the order in which they were given."""
    strands: defaultdict[int, list[Step]] = defaultdict(list)
    for step in weave.steps:
        if step.flow == flow:
            strands[step.strand].append(step)
    works: dict[str, list[Any]] = {
        strand[0].id: [known[s.id] if s.is_flow else jobs[s.id] for s in strand] for strand in strands.values()
    }
    if flow in known and known[flow].kind != FlowKind.BATCH.value:
        return [one for strand in works.values() for one in strand]
    own: dict[str, list[Any]] = {e.id: [jobs[e.id]] for e in weave.members if e.flow and flow_in(e.flow) == flow}
    in_order = [strand for _, strand in sorted({**own, **works}.items())]  # ids rise in the order of their making
    return [strand[0] if len(strand) == 1 else strand for strand in in_order]


def _flow(flow: Flow, told: Mapping[str, Any], connection: str) -> PushedFlow:
    return PushedFlow(
        id=flow.id,
        kind=flow.kind.value,
        name=flow.name,
        connection=connection,
        allowed=flow.allowed,
        allowed_share=None if flow.allowed_ppm is None else flow.allowed_ppm / 1_000_000,
        callbacks=frozenset(name for hook, name in _CALLS.items() if has_hook(flow, hook)),
        options=told.get("options", {}),
    )
