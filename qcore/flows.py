"""What batches, chains and graphs are underneath: a flow counts its members, and lets steps wait for other steps.

Values and rules, without I/O. A store applies them in the step in which a member ends (`drivers/weaving.py` for those
that count in Python, `lua/lib/flows.lua` for the one that does not), so that nothing counts twice and no step is lost.

A member that may run at once is a job like any other and says in `Envelope.flow` to which flow it belongs. What has to
wait is a step: it lies beside the jobs until the last of its parents has completed. A flow may be a step of another.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from qcore.envelope import Envelope

_ID = 36
"""Characters of a flow's id, a UUIDv7."""


class FlowKind(StrEnum):
    """What its maker called it; underneath they are one."""

    BATCH = "batch"
    CHAIN = "chain"
    GRAPH = "graph"


class Hook(StrEnum):
    """When a callback of a flow is stored, each once; by its letter its job says which it is."""

    BEFORE = "b"
    """Before the first member runs."""
    PROGRESS = "p"
    """When members have ended; one at a time, however many did."""
    THEN = "t"
    """All have ended, and no more failed than may."""
    CATCH = "c"
    """More failed than may."""
    FINALLY = "f"
    """All have ended, and so have the other callbacks."""


_BITS = {hook: 1 << place for place, hook in enumerate(Hook)}


class Role(StrEnum):
    """What a job is to its flow, beside its hooks."""

    MEMBER = ""
    STEP = "s"


def membership(flow: str, role: Role | Hook = Role.MEMBER) -> str:
    """What a job's envelope says: its flow, and what it is to it."""
    return flow + role


def flow_in(membership: str) -> str:
    """The id of the flow in what an envelope says."""
    return membership[:_ID]


def role_in(membership: str) -> str:
    """What the job is to its flow: a `Role` or a `Hook`."""
    return membership[_ID:]


class StepState(IntEnum):
    """Where a step is."""

    WAITING = 0
    """For its parents."""
    STARTED = 1
    """It is a job by now, or a flow under way."""
    PROCESSED = 2
    FAILED = 3
    CANCELLED = 4
    SKIPPED = 5
    """Cancelled before it could start."""

    @property
    def may_start(self) -> bool:
        """Whether it may still become a job: of one that was left out a retry may make one."""
        return self in {StepState.WAITING, StepState.CANCELLED, StepState.SKIPPED}

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self >= StepState.PROCESSED


class Step(msgspec.Struct, gc=False, kw_only=True):
    """A member that waits for others, or for which others wait."""

    id: str
    """Of its job, or of its flow."""
    flow: str
    place: int
    """In the order in which they were given, from 0."""
    strand: int = 0
    """Which of several chains in one batch it belongs to."""
    name: str | None = None
    job: str = ""
    """Class path; of a flow its name."""
    is_flow: bool = False
    state: StepState = StepState.WAITING
    waits: int = 0
    """Parents that have not completed."""
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    envelope: Envelope | None = None
    result: bytes | None = None
    error: str | None = None
    runtime_us: int | None = None
    ended_us: int | None = None


class Flow(msgspec.Struct, gc=False, kw_only=True):
    """How far a flow is. Its counters count members: `total` is what was stored so far."""

    id: str
    kind: FlowKind
    name: str = ""
    parent: str | None = None
    """The flow of which it is a step, under its own id."""
    total: int = 0
    processed: int = 0
    failed: int = 0
    cancelled: int = 0
    excused: int = 0
    """Failures that do not count against what is allowed."""
    allowed: int = 0
    """Failures that may be; negative: any number."""
    allowed_ppm: int | None = None
    """Failures that may be, in millionths of the total once that is known; beats `allowed`."""
    is_open: bool = False
    """More members are to come: it does not finish."""
    has_begun: bool = False
    hooks: int = 0
    """Bit by bit the hooks it has."""
    hooked: int = 0
    """Those that were stored."""
    live: int = 0
    """Callbacks that were stored and have not ended; `finally` waits for them."""
    progress: int = 0
    """0: no progress callback lives, 1: one does, 2: and members ended since it was stored."""
    created_us: int = 0
    failed_us: int | None = None
    failed_by: str | None = None
    """The job whose failure was one too many."""
    cancelled_us: int | None = None
    """When it was stopped, by a person or by failures."""
    finished_us: int | None = None

    @property
    def ended(self) -> int:
        """Members that have ended, however."""
        return self.processed + self.failed + self.cancelled

    @property
    def may_fail(self) -> int | None:
        """How many members may fail; None: any number, or not known yet."""
        if self.allowed_ppm is not None:
            return None if self.is_open else self.total * self.allowed_ppm // 1_000_000
        return None if self.allowed < 0 else self.allowed


class FlowRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A batch, chain or graph as the store holds it."""

    flow: Flow
    options: bytes = b""
    """What its maker said of it, encoded."""


class FlowPage(msgspec.Struct, frozen=True, gc=False):
    """Some flows, newest first, and where the next page begins."""

    flows: tuple[FlowRecord, ...]
    next_cursor: str | None = None


class Opening(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A flow to be stored."""

    flow: Flow
    callbacks: tuple[tuple[Hook, Envelope], ...] = ()
    options: bytes = b""
    """What its maker said of it, encoded; no store's business."""


class Weave(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one atomic step stores: flows with their steps and first members, or more members of one that is there."""

    openings: tuple[Opening, ...] = ()
    """The outermost first. Where that one is there already, all of this was stored before."""
    extends: str | None = None
    """The flow to which `steps` and `members` are added, each id once; None where they are all of `openings`."""
    steps: tuple[Step, ...] = ()
    members: tuple[Envelope, ...] = ()
    is_first: bool = False
    """Nobody has sent any of it before: no store needs to look whether it knows the ids."""


class Growth(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a member adds to its flow as it ends."""

    next: tuple[Envelope, ...] = ()
    """Steps that come right after it, one after the other."""
    last: tuple[Envelope, ...] = ()
    """Steps that come at the end of its chain."""
    members: tuple[Envelope, ...] = ()


def may_begin(flow: Flow) -> list[Hook]:
    """Begin a flow, or see to what comes before: the hooks to be stored."""
    hooks = _once(flow, Hook.BEFORE)
    flow.has_begun = not hooks
    return hooks


def hook_ended(flow: Flow, hook: Hook) -> list[Hook]:
    """Take note that a callback has ended: the hooks to be stored again."""
    flow.live -= 1
    if hook is Hook.BEFORE:
        flow.has_begun = True
    if hook is not Hook.PROGRESS:
        return []
    is_behind, flow.progress = flow.progress > 1, 0
    return tick(flow) if is_behind else []


def hook_again(flow: Flow, hook: Hook) -> None:
    """Take note that a callback that had failed is a job again."""
    flow.live += 1
    if hook is Hook.PROGRESS:
        flow.progress = max(flow.progress, 1)


def tick(flow: Flow) -> list[Hook]:
    """Take note that members have ended: the hooks to be stored."""
    if not flow.hooks & _BITS[Hook.PROGRESS]:
        return []
    if flow.progress:
        flow.progress = 2
        return []
    flow.progress = 1
    flow.live += 1
    return [Hook.PROGRESS]


def judge(flow: Flow, now_us: int) -> tuple[list[Hook], bool]:
    """See whether a flow fails or finishes now, after its counters changed.

    Returns:
        The hooks to be stored, and whether its other members are to be cancelled: they count, and it is judged again.
    """
    hooks: list[Hook] = []
    most = flow.may_fail
    fails = flow.failed_us is None and most is not None and flow.failed - flow.excused > most
    if fails:
        flow.failed_us = now_us
        flow.cancelled_us = flow.cancelled_us or now_us
        hooks += _once(flow, Hook.CATCH)
    is_stopped = flow.cancelled_us is not None
    is_complete = flow.ended >= flow.total and (is_stopped or (flow.has_begun and not flow.is_open))
    if is_complete and flow.finished_us is None:
        flow.finished_us = now_us
        if not is_stopped and not _has_gap(flow):
            hooks += _once(flow, Hook.THEN)
    if flow.finished_us is not None and not flow.live:
        hooks += _once(flow, Hook.FINALLY)
    return hooks, fails


def reopen(flow: Flow, *, failed: int = 0, excused: int = 0, cancelled: int = 0) -> None:
    """Let members of a flow be live again that had failed, some of them excused, or were cancelled."""
    flow.failed = max(0, flow.failed - failed)
    flow.excused = max(0, flow.excused - excused)
    flow.cancelled = max(0, flow.cancelled - cancelled)
    flow.finished_us = flow.cancelled_us = flow.failed_us = flow.failed_by = None


def outcome_of(flow: Flow) -> StepState:
    """How a finished flow ended, as a step of another."""
    if flow.failed_us is not None:
        return StepState.FAILED
    return StepState.CANCELLED if flow.cancelled_us is not None or _has_gap(flow) else StepState.PROCESSED


def _has_gap(flow: Flow) -> bool:
    """Whether steps of a chain or graph were cancelled, and no failure that is allowed is the reason."""
    return flow.kind is not FlowKind.BATCH and flow.cancelled > 0 and not flow.failed


def percent_of(flow: Flow) -> int:
    """The share of its members that have ended."""
    return 100 if not flow.total and flow.finished_us else 100 * flow.ended // max(1, flow.total)


def bit_of(hook: Hook) -> int:
    """What says in a flow's `hooks` that it has such a callback."""
    return _BITS[hook]


def has_hook(flow: Flow, hook: Hook) -> bool:
    """Whether a flow has a callback of that kind."""
    return bool(flow.hooks & _BITS[hook])


def hooks_of(callbacks: tuple[tuple[Hook, Envelope], ...]) -> int:
    """The bits of those hooks."""
    return sum(_BITS[hook] for hook, _ in callbacks)


def _once(flow: Flow, hook: Hook) -> list[Hook]:
    bit = _BITS[hook]
    if not flow.hooks & bit or flow.hooked & bit:
        return []
    flow.hooked |= bit
    flow.live += 1
    return [hook]
