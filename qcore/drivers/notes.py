"""What happens to flows, as values: what settlements, weaves and operators mean to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

from qcore.envelope import Envelope
from qcore.errors import JobNotFound, QueueError
from qcore.flows import Flow, Growth, Hook, Role, Step, StepState, Weave, flow_in, role_in
from qcore.records import unpack_history
from qcore.settlement import Settlement
from qcore.states import Outcome

HOOKS = frozenset(hook.value for hook in Hook)
"""The roles of callbacks."""
COUNTED = frozenset({Role.MEMBER.value, Role.STEP.value})
"""What a flow counts; its callbacks it does not."""
_ENDS = {
    Outcome.COMPLETED: StepState.PROCESSED,
    Outcome.FAILED: StepState.FAILED,
    Outcome.CANCELLED: StepState.CANCELLED,
}


class Word(Enum):
    """What a note says."""

    ENDED = auto()
    """A member, a step or a callback."""
    BEGIN = auto()
    CLOSE = auto()
    """No more members are to come."""
    CANCEL = auto()
    RETRIED = auto()
    """A member that had ended badly is live again."""
    RESTORED = auto()
    """It was skipped as a step, and is to wait again."""
    WOVEN = auto()
    """More members and steps were stored."""
    SWEEP = auto()
    """More of its jobs may wait that are to be cancelled."""


class Note(NamedTuple):
    """Something that happens to a flow."""

    flow: str
    word: Word
    id: str = ""
    """Of the job, or of the flow that is a step."""
    role: str = Role.MEMBER
    state: StepState = StepState.PROCESSED
    """ENDED: how; RETRIED: what it had been."""
    is_excused: bool = False
    result: bytes | None = None
    error: str | None = None
    runtime_us: int | None = None
    growth: Growth | None = None
    steps: int = 0
    """WOVEN: how many."""
    ready: tuple[str, ...] = ()
    """WOVEN: ids of those that wait for nobody."""


def notes_of(settlements: Iterable[Settlement]) -> list[Note]:
    """What the ends of attempts mean to flows."""
    return [note for s in settlements if s.flow is not None and (note := note_of(s)) is not None]


def note_of(s: Settlement) -> Note | None:
    """What the end of one attempt means to the flow of its job; None: nothing, as it is released, or is in none."""
    if s.flow is None or (state := _ENDS.get(s.outcome)) is None:
        return None
    flow, role = flow_in(s.flow), role_in(s.flow)
    error = s.error if state is StepState.FAILED else None
    runtime_us = round(s.runtime_s * 1_000_000)
    growth = s.growth if state is StepState.PROCESSED else None
    return Note(flow, Word.ENDED, s.id, role, state, s.is_excused, s.result, error, runtime_us, growth)


def ended_note(job_id: str, membership: str, state: StepState) -> Note:
    """A member that ended without an attempt."""
    return Note(flow_in(membership), Word.ENDED, job_id, role_in(membership), state)


def retried_note(job_id: str, membership: str, history: bytes | None) -> Note:
    """A failed job that is live again; its last error tells whether it was excused."""
    failures = unpack_history(history)
    is_excused = bool(failures) and failures[-1].is_excused
    return Note(flow_in(membership), Word.RETRIED, job_id, role_in(membership), StepState.FAILED, is_excused)


def woven(weave: Weave, steps: Sequence[Step], members: Sequence[Envelope]) -> list[Note]:
    """What storing these means to flows; steps and members are those that were not there."""
    if weave.extends is None:
        flow = weave.openings[0].flow
        return [] if flow.has_begun and flow.total else [Note(flow.id, Word.BEGIN)]
    own = [step for step in steps if step.flow == weave.extends]
    ready = tuple(step.id for step in own if not step.waits)
    return [Note(weave.extends, Word.WOVEN, growth=Growth(members=tuple(members)), steps=len(own), ready=ready)]


def refuse_ended(flow: Flow | None, flow_id: str) -> None:
    """See that a flow may be extended.

    Raises:
        JobNotFound: it is not there.
        QueueError: it has finished.
    """
    if flow is None:
        raise JobNotFound(f"no batch {flow_id}", hint="it was deleted or pruned; see: qctl batches")
    if flow.finished_us is not None and not flow.is_open:  # one that was stopped while open takes what comes yet
        raise QueueError(f"batch {flow_id} has finished: nothing was added", hint="dispatch a new one")
