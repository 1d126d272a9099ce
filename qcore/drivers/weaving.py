"""How flows move: what follows, in the same step, when members of them end.

Everything that happens to a flow is a `Note` to it; what a note does may be another note, to the flow above or to one
below. A store that counts in Python gives its `Loom`, in a transaction; the rules themselves are in `qcore.flows`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from qcore.drivers.notes import HOOKS, Note, Word
from qcore.flows import (
    Flow,
    FlowKind,
    Growth,
    Hook,
    Role,
    Step,
    StepState,
    hook_again,
    hook_ended,
    judge,
    may_begin,
    outcome_of,
    reopen,
    role_in,
    tick,
)

if TYPE_CHECKING:
    from qcore.drivers.loom import Loom
    from qcore.envelope import Envelope


def move(loom: Loom, notes: Iterable[Note]) -> None:
    """Let things happen to flows, and all that follows from them."""
    left = list(notes)
    while left:
        by_flow: defaultdict[str, list[Note]] = defaultdict(list)
        for note in left:
            by_flow[note.flow].append(note)
        flows = loom.flows(sorted(by_flow))
        left = [more for flow_id in sorted(flows) for more in _Moving(loom, flows[flow_id]).take(by_flow[flow_id])]


class _Moving:
    """One flow, and what happens to it now."""

    def __init__(self, loom: Loom, flow: Flow) -> None:
        self._loom = loom
        self._flow = flow
        self._hooks: list[Hook] = []
        self._ready: list[Step] = []
        """Steps whose time has come."""
        self._changed: dict[str, Step] = {}
        self._more: list[Note] = []

    def take(self, notes: Sequence[Note]) -> list[Note]:
        flow = self._flow
        was_finished, was_cancelled = flow.finished_us is not None, flow.cancelled_us is not None
        before = flow.ended
        for note in notes:
            if note.growth is not None:
                self._grow(note.id, note.growth)
        self._count(notes)
        self._obey(notes)
        self._conclude(before, was_cancelled=was_cancelled)
        self._loom.keep(self._changed.values())
        self._loom.save(flow)
        if self._hooks:
            callbacks = self._loom.callbacks(flow.id)
            self._loom.push([callbacks[hook] for hook in self._hooks])
        if flow.parent is not None and flow.finished_us is not None and not was_finished:
            self._more.append(Note(flow.parent, Word.ENDED, flow.id, Role.STEP, outcome_of(flow)))
        return self._more

    # -- what notes say ------------------------------------------------------------------------------------------

    def _count(self, notes: Sequence[Note]) -> None:
        """Count members that ended, each once."""
        ended = [note for note in notes if note.word is Word.ENDED and note.role not in HOOKS]
        steps = {step.id: step for step in self._all(note.id for note in ended if note.role == Role.STEP)}
        over = []
        for note in ended:
            if note.role == Role.STEP:
                step = steps.get(note.id)
                if step is None or step.state.is_final:
                    continue
                step.state, step.result, step.error = note.state, note.result, note.error
                step.runtime_us, step.ended_us = note.runtime_us, self._loom.now_us
                self._changed[step.id] = step
                over.append(step)
            self._count_one(note)
        if over:
            self._go_on(over)

    def _count_one(self, note: Note) -> None:
        flow = self._flow
        if note.state is StepState.PROCESSED:
            flow.processed += 1
        elif note.state is StepState.FAILED:
            flow.failed += 1
            flow.excused += note.is_excused
            most = flow.may_fail
            if flow.failed_by is None and most is not None and flow.failed - flow.excused > most:
                flow.failed_by = note.id
        else:
            flow.cancelled += 1

    def _obey(self, notes: Sequence[Note]) -> None:
        """Do what notes say beside what is counted."""
        for note in notes:
            if note.word is Word.ENDED and note.role in HOOKS:
                self._hook_ended(Hook(note.role))
            elif note.word in self._verbs:
                self._verbs[note.word](note)
        retried = [note for note in notes if note.word is Word.RETRIED and note.role not in HOOKS]
        if retried:
            self._reopen(retried)

    @cached_property
    def _verbs(self) -> Mapping[Word, Callable[[Note], None]]:
        return {
            Word.BEGIN: self._begin,
            Word.CLOSE: self._close,
            Word.CANCEL: self._cancel,
            Word.WOVEN: self._weave_in,
            Word.SWEEP: lambda _: self._sweep() if self._flow.cancelled_us is not None else None,
            Word.RESTORED: self._restore,
            Word.RETRIED: self._hook_again,
        }

    def _hook_ended(self, hook: Hook) -> None:
        had_begun = self._flow.has_begun
        self._hooks += hook_ended(self._flow, hook)
        if self._flow.has_begun and not had_begun:
            self._begin_steps()

    def _hook_again(self, note: Note) -> None:
        if note.role in HOOKS:
            hook_again(self._flow, Hook(note.role))

    def _begin(self, _: Note) -> None:
        if not self._flow.has_begun:
            hooks = may_begin(self._flow)
            self._hooks += hooks
            if not hooks:
                self._begin_steps()

    def _close(self, _: Note) -> None:
        self._flow.is_open = False

    def _cancel(self, _: Note) -> None:
        if self._flow.finished_us is None:
            self._flow.cancelled_us = self._flow.cancelled_us or self._loom.now_us

    def _restore(self, _: Note) -> None:
        """Wait again, as a step that was skipped: nothing of it has begun."""
        cancelled = self._wait_again(set())
        self._ready = []
        self._flow.has_begun = False
        reopen(self._flow, cancelled=cancelled)

    def _weave_in(self, note: Note) -> None:
        self._flow.total += note.steps
        if not note.steps:
            return
        if self._flow.cancelled_us is not None:
            self._stop()
        elif self._flow.has_begun:
            self._ready += self._all(note.ready)

    def _begin_steps(self) -> None:
        self._ready += [s for s in self._loom.steps_of(self._flow.id) if s.state is StepState.WAITING and not s.waits]

    # -- steps ---------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> Step:
        """The one that is being changed, where it is."""
        return self._changed.setdefault(step.id, step)

    def _all(self, ids: Iterable[str]) -> list[Step]:
        """Steps by their ids, as they are now."""
        wanted = sorted(set(ids))
        missing = [one for one in wanted if one not in self._changed]
        found = self._loom.steps(missing) if missing else {}
        return [self._changed.get(one) or found[one] for one in wanted if one in self._changed or one in found]

    def _go_on(self, ended: Sequence[Step]) -> None:
        """Let the children of completed steps wait no longer, and skip those of the others."""
        children = {step.id: step for step in self._all(child for step in ended for child in step.children)}
        lost = []
        for step in ended:
            for child in (children[one] for one in step.children if one in children):
                if step.state is not StepState.PROCESSED:
                    lost.append(child)
                    continue
                child.waits -= 1
                self._step(child)
                if not child.waits and child.state is StepState.WAITING:
                    self._ready.append(child)
        while lost:
            skipped = [step for step in {one.id: one for one in lost}.values() if step.state is StepState.WAITING]
            for step in skipped:
                self._skip(step)
            lost = self._all(child for step in skipped for child in step.children) if skipped else []

    def _skip(self, step: Step) -> None:
        self._step(step).state = StepState.SKIPPED
        step.ended_us = self._loom.now_us
        self._flow.cancelled += 1
        if step.is_flow:
            self._more.append(Note(step.id, Word.CANCEL))

    def _release(self) -> None:
        """Let steps become jobs, or flows under way."""
        ready = [step for step in self._ready if step.state is StepState.WAITING]
        for step in ready:
            self._step(step).state = StepState.STARTED
            if step.is_flow:
                self._more.append(Note(step.id, Word.BEGIN))
        self._ready = []
        envelopes = [step.envelope for step in ready if step.envelope is not None]
        if envelopes:
            self._loom.push(envelopes)

    def _grow(self, job_id: str, growth: Growth) -> None:
        """Add what a member wants to be added as it ends; to a flow that was stopped nothing is."""
        flow = self._flow
        if growth.members:
            flow.total += len(growth.members)
            if flow.cancelled_us is None:
                self._loom.push(growth.members)
            else:
                flow.cancelled += len(growth.members)
        grown = self._all([job_id]) if (growth.next or growth.last) and flow.cancelled_us is None else []
        for step in grown:
            self._step(step)
            strand = [self._changed.get(one.id, one) for one in self._loom.strand_of(step)]
            strand += self._insert(step, growth.next, strand)
            self._insert(self._step(max(strand, key=lambda one: one.place)), growth.last, strand)

    def _insert(self, after: Step, envelopes: Sequence[Envelope], strand: Sequence[Step]) -> list[Step]:
        """Let steps follow one, and what followed it follow them."""
        if not envelopes:
            return []
        for one in strand:
            if one.place > after.place:
                self._step(one).place += len(envelopes)
        children = self._all(after.children)
        chain = [_following(after, number, envelope) for number, envelope in enumerate(envelopes, 1)]
        for above, below in pairwise([after, *chain]):
            below.parents = (above.id,)
        for above, below in pairwise(chain):
            above.children = (below.id,)
        chain[-1].children = after.children
        for child in children:
            self._step(child).parents = tuple(chain[-1].id if one == after.id else one for one in child.parents)
        after.children = (chain[0].id,)
        self._flow.total += len(chain)
        self._loom.add(chain)
        self._changed.update((one.id, one) for one in chain)
        return chain

    # -- ends ----------------------------------------------------------------------------------------------------

    def _conclude(self, before: int, *, was_cancelled: bool) -> None:
        """See what follows from how many have ended by now."""
        flow = self._flow
        if flow.ended != before and flow.finished_us is None:
            self._hooks += tick(flow)
        hooks, fails = judge(flow, self._loom.now_us)
        self._hooks += hooks
        counted = flow.ended
        if fails or (flow.cancelled_us is not None and not was_cancelled):
            self._stop()
        elif flow.cancelled_us is not None:
            self._refuse_ready()
        else:
            self._release()
        if flow.ended != counted:
            self._hooks += tick(flow)
            self._hooks += judge(flow, self._loom.now_us)[0]

    def _refuse_ready(self) -> None:
        """Skip what would start in a flow that was stopped."""
        for step in self._ready:
            if step.state is StepState.WAITING:
                self._skip(step)
        self._ready = []

    def _stop(self) -> None:
        """Cancel every other member: those that wait end here."""
        self._ready = []
        for one in self._loom.steps_of(self._flow.id):
            step = self._changed.get(one.id, one)
            if step.state is StepState.WAITING:
                self._skip(step)
            elif step.state is StepState.STARTED and step.is_flow:
                self._more.append(Note(step.id, Word.CANCEL))
        self._sweep()

    def _sweep(self) -> None:
        swept = self._loom.sweep(self._flow.id)
        for step in self._all(job_id for job_id, told in swept if role_in(told) == Role.STEP):
            self._step(step).state = StepState.CANCELLED
            step.ended_us = self._loom.now_us
        self._flow.cancelled += len(swept)

    def _reopen(self, notes: Sequence[Note]) -> None:
        """Let members be live again, and what was skipped for their sake wait again."""
        flow = self._flow
        failed = sum(note.state is StepState.FAILED for note in notes)
        cancelled = len(notes) - failed
        names = {note.id for note in notes if note.role == Role.STEP}
        if names:
            cancelled += self._wait_again(names)
        if flow.finished_us is not None and flow.parent is not None:
            self._more.append(Note(flow.parent, Word.RETRIED, flow.id, Role.STEP, outcome_of(flow)))
        reopen(flow, failed=failed, excused=sum(note.is_excused for note in notes), cancelled=cancelled)

    def _wait_again(self, retried: set[str]) -> int:
        """Let steps wait that were skipped, but for those behind one that stays ended badly; returns how many.

        Jobs of a chain or graph that were cancelled meanwhile come back too: a step keeps its own.
        """
        steps = {step.id: self._changed.get(step.id, step) for step in self._loom.steps_of(self._flow.id)}
        for job_id in retried & steps.keys():
            step = self._step(steps[job_id])
            step.state, step.error, step.result, step.ended_us = StepState.STARTED, None, None, None
        keeps = self._flow.kind is not FlowKind.BATCH
        withdrawn = {one.id for one in steps.values() if one.state is StepState.CANCELLED}
        back = {one for one in withdrawn if keeps and not steps[one].is_flow}
        dead = {one.id for one in steps.values() if one.state is StepState.FAILED} | (withdrawn - back)
        behind, left = set(dead), list(dead)
        while left:
            for child in steps[left.pop()].children:
                if child not in behind:
                    behind.add(child)
                    left.append(child)
        lost = {one.id for one in steps.values() if one.state is StepState.SKIPPED} | back
        again = [one for one in steps.values() if one.id in lost and one.id not in behind]
        for step in again:
            self._step(step).state = StepState.WAITING
            step.ended_us = None
            if step.is_flow:
                self._more.append(Note(step.id, Word.RESTORED))
        self._ready += [step for step in again if not step.waits]
        return len(again)


def _following(after: Step, number: int, envelope: Envelope) -> Step:
    return Step(
        id=envelope.id,
        flow=after.flow,
        place=after.place + number,
        strand=after.strand,
        job=envelope.job,
        waits=1,
        envelope=envelope,
    )
