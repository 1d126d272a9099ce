"""Work made of jobs as a plain tree, and how it becomes flows, steps and members. No store, and no kind of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from qcore.envelope import Envelope
from qcore.errors import ConfigurationError
from qcore.flows import Flow, FlowKind, Hook, Opening, Role, Step, Weave, hooks_of, membership
from qcore.ids import new_id
from qcore.jobs.job import Job
from qcore.workflows.callbacks import Callback, packed, sealed_judge
from qcore.workflows.options import pack_options

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.manager import QueueManager

Call = Callable[..., Any]
PPM = 1_000_000


class Allowance(NamedTuple):
    """How many members may fail."""

    most: int = 0
    """Negative: any number."""
    ppm: int | None = None
    """In millionths of the total, once that is known."""
    judge: Call | None = None
    """Says of an exception and its job whether that failure does not count."""


class Spec:
    """A batch, chain or graph that is not stored yet."""

    def __init__(self, kind: FlowKind) -> None:
        self.kind = kind
        self.name = ""
        self.callbacks: dict[Hook, list[Call]] = {}
        """Those of one hook are called one after the other."""
        self.allowance = Allowance()
        self.queue: str | None = None
        self.connection: str | None = None
        self.options: dict[str, Any] = {}
        self.holds = False
        """Whether members wait until it lets them begin, or are kept as steps for what they return."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said of it, so that its jobs may as well be another's."""
        return not (self.name or self.callbacks or self.queue or self.connection or self.options)


class Node(NamedTuple):
    """One member to be."""

    work: Job | Whole
    after: tuple[int, ...] = ()
    """Places, in the same list, of those it waits for."""
    name: str | None = None


class Whole(NamedTuple):
    """Work that is itself made of jobs."""

    spec: Spec
    strands: Sequence[Sequence[Node]]
    """Lists of nodes that do not wait for each other."""


class Planner:
    """Seals the jobs of one plan for one connection.

    Args:
        manager: whose keys sign.
        connection: where all of it lives.
        ids: makes the ids of jobs that have none and of flows within the plan.
    """

    def __init__(self, manager: QueueManager, connection: ConnectionSettings, ids: Callable[[], str] = new_id) -> None:
        manager.trace()
        self._manager = manager
        self._connection = connection
        self._ids = ids
        self._openings: list[Opening] = []
        self._steps: list[Step] = []
        self._members: list[Envelope] = []

    def opening(self, whole: Whole, flow_id: str, *, is_open: bool = False) -> Weave:
        """Plan a flow with its first members."""
        has_before = Hook.BEFORE in whole.spec.callbacks
        self._open(whole, flow_id, None, holds=has_before, is_open=is_open)
        return self._woven(None)

    def more(self, flow_id: str, spec: Spec, strands: Sequence[Sequence[Node]], first: int) -> Weave:
        """Plan more members of a flow; `first` is the number of the first of their strands."""
        self._lay(flow_id, spec, strands, first, holds=spec.holds or Hook.BEFORE in spec.callbacks)
        return self._woven(flow_id)

    def _woven(self, extends: str | None) -> Weave:
        weave = Weave(
            openings=tuple(self._openings),
            steps=tuple(self._steps),
            members=tuple(self._members),
            extends=extends,
            is_first=self._ids is new_id,
        )
        self._openings, self._steps, self._members = [], [], []
        return weave

    def _open(self, whole: Whole, flow_id: str, parent: str | None, *, holds: bool, is_open: bool = False) -> None:
        spec = whole.spec
        queue = spec.queue or next((job.queue for job in jobs_in(whole.strands)), None)
        callbacks = tuple((hook, self._callback(spec, flow_id, hook, queue)) for hook in Hook if hook in spec.callbacks)
        place = len(self._openings)
        members, steps = self._lay(flow_id, spec, whole.strands, 0, holds=holds)
        flow = Flow(
            id=flow_id,
            kind=spec.kind,
            name=spec.name,
            parent=parent,
            total=members + steps,
            allowed=spec.allowance.most,
            allowed_ppm=spec.allowance.ppm,
            is_open=is_open,
            has_begun=not (holds or steps),
            hooks=hooks_of(callbacks),
        )
        self._openings.insert(place, Opening(flow=flow, callbacks=callbacks, options=self._options(spec, flow_id)))

    def _lay(
        self, flow_id: str, spec: Spec, strands: Sequence[Sequence[Node]], first: int, *, holds: bool
    ) -> tuple[int, int]:
        """Seal members and steps; returns how many of each."""
        has_members, told, seal = spec.kind is FlowKind.BATCH and not holds, membership(flow_id), self._seal
        members = steps = 0
        for number, strand in enumerate(strands, first):
            if has_members and len(strand) == 1 and isinstance(work := strand[0].work, Job):
                self._members.append(seal(work, spec, told))
                members += 1
            else:
                self._steps += self._strand(flow_id, spec, strand, number)
                steps += len(strand)
        return members, steps

    def _strand(self, flow_id: str, spec: Spec, nodes: Sequence[Node], number: int) -> list[Step]:
        made = [self._step(flow_id, spec, node, number, place) for place, node in enumerate(nodes)]
        for node, step in zip(nodes, made, strict=True):
            step.waits = len(node.after)
            step.parents = tuple(made[one].id for one in node.after)
            for one in node.after:
                made[one].children = (*made[one].children, step.id)
        return made

    def _step(self, flow_id: str, spec: Spec, node: Node, strand: int, place: int) -> Step:
        work = node.work
        if isinstance(work, Whole):
            inner = self._ids()
            self._check_connection(work.spec.connection, f'a {work.spec.kind} within it ("{work.spec.name}")', spec)
            within = copy(work.spec)  # the same work may be part of another plan, with another queue
            within.queue = within.queue or spec.queue
            self._open(Whole(within, work.strands), inner, flow_id, holds=True)
            title = work.spec.name or work.spec.kind.value
            return Step(id=inner, flow=flow_id, place=place, strand=strand, name=node.name, job=title, is_flow=True)
        envelope = self._seal(work, spec, membership(flow_id, Role.STEP))
        return Step(
            id=envelope.id,
            flow=flow_id,
            place=place,
            strand=strand,
            name=node.name,
            job=envelope.job,
            envelope=envelope,
        )

    def _seal(self, job: Job, spec: Spec, told: str) -> Envelope:
        if job.connection:
            self._check_connection(job.connection, type(job).__qualname__, spec)
        return self._manager.seal(job, self._connection, flow=told, queue=spec.queue, ids=self._ids)

    def _check_connection(self, named: str | None, what: str, spec: Spec) -> None:
        if named:
            require_connection(self._manager, self._connection.name, named, what, spec.kind)

    def _callback(self, spec: Spec, flow_id: str, hook: Hook, queue: str | None) -> Envelope:
        keyring = self._manager.keyring(self._connection.name)
        (name, code, python), *more = (packed(call, self._manager.settings, keyring) for call in spec.callbacks[hook])
        job = Callback(flow_id, hook.value, name, code, python, *([more] if more else []))
        return self._manager.seal(job, self._connection, flow=membership(flow_id, hook), queue=queue)

    def _options(self, spec: Spec, flow_id: str) -> bytes:
        told: dict[str, Any] = {"queue": spec.queue, "options": spec.options}
        if spec.allowance.judge is not None:
            keyring = self._manager.keyring(self._connection.name)
            told["judge"] = sealed_judge(spec.allowance.judge, flow_id, self._manager.settings, keyring)
        return pack_options(told)


def require_connection(manager: QueueManager, home: str, named: str, what: str, kind: FlowKind) -> None:
    """See that a part of a flow goes to no other connection than the flow.

    Args:
        manager: whose connections they are.
        home: where the flow lives.
        named: where that part goes.
        what: that part, in words.
        kind: of the flow.

    Raises:
        ConfigurationError: it goes elsewhere, or nowhere.
    """
    if manager.settings.connection(named).name != home:
        raise ConfigurationError(
            f'{what} goes to connection "{named}", and the {kind} lives on "{home}"',
            hint="all of it lives on one connection: say on_connection(), or dispatch that part by itself",
        )


def connection_for(manager: QueueManager, spec: Spec, jobs: Iterable[Job]) -> ConnectionSettings:
    """The connection on which all of it lives: the one named, or that of the first job."""
    if spec.connection is not None:
        return manager.settings.connection(spec.connection)
    for job in jobs:
        if job.connection:
            return manager.settings.connection(job.connection)
        return manager.connection_of(job.queue or spec.queue)
    return manager.connection_of(spec.queue)


def jobs_in(strands: Iterable[Iterable[Node]]) -> Iterable[Job]:
    """Every job of a plan, in order."""
    for strand in strands:
        for node in strand:
            if isinstance(node.work, Whole):
                yield from jobs_in(node.work.strands)
            else:
                yield node.work


def in_a_row(works: Sequence[Job | Whole]) -> list[Node]:
    """Each waits for the one before."""
    return [Node(work, (place - 1,) if place else ()) for place, work in enumerate(works)]
