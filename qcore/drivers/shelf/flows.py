"""The flows on the shelf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from qcore.drivers import base, notes, weaving
from qcore.drivers.operator import resealed
from qcore.flows import Flow, Hook, Opening, Step, Weave, flow_in, role_in
from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.drivers.notes import Note
    from qcore.drivers.operator import FlowChange
    from qcore.drivers.shelf.entry import Entry
    from qcore.drivers.shelf.shelf import Shelf
    from qcore.envelope import Envelope


class Flows:
    """A loom of dictionaries. Whoever calls a method holds the shelf's lock."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.all: dict[str, Opening] = {}
        """Every flow, by its id; ids sort by age."""
        self._steps: dict[str, Step] = {}
        self._of: dict[str, set[str]] = {}
        self.now_us = 0

    def weave(self, weave: Weave, now_us: int) -> int:
        """Store flows, steps and members; returns how many members are new."""
        if weave.extends is not None:
            opening = self.all.get(weave.extends)
            notes.refuse_ended(opening.flow if opening is not None else None, weave.extends)
        elif weave.openings[0].flow.id in self.all:
            return 0
        for opening in [one for one in weave.openings if one.flow.id not in self.all]:
            flow = replace(opening.flow, created_us=now_us)
            self.all[flow.id] = replace(opening, flow=flow)
            self._of[flow.id] = set()
        steps = [step for step in weave.steps if step.id not in self._steps]
        members = [one for one in weave.members if one.id not in self._shelf.entries]
        self.add(replace(step) for step in steps)
        if weave.extends is None:
            self._shelf.enter(members, now_us)
        self.move(notes.woven(weave, steps, members), now_us)
        return len(members)

    def move(self, notes: Iterable[Note], now_us: int) -> None:
        """Let things happen to flows."""
        self.now_us = now_us
        weaving.move(self, notes)

    # -- the loom ------------------------------------------------------------------------------------------------

    def flows(self, ids: Sequence[str]) -> Mapping[str, Flow]:
        """Read flows."""
        return {one: replace(self.all[one].flow) for one in ids if one in self.all}

    def save(self, flow: Flow) -> None:
        """Keep what changed of a flow."""
        self.all[flow.id] = replace(self.all[flow.id], flow=flow)

    def callbacks(self, flow: str) -> Mapping[Hook, Envelope]:
        """Read the callbacks of a flow."""
        return dict(self.all[flow].callbacks)

    def steps(self, ids: Sequence[str]) -> Mapping[str, Step]:
        """Read steps by their ids."""
        return {one: replace(self._steps[one]) for one in ids if one in self._steps}

    def steps_of(self, flow: str) -> Sequence[Step]:
        """Read all the steps of a flow, in order."""
        found = (self._steps[one] for one in self._of.get(flow, ()))
        return [replace(step) for step in sorted(found, key=lambda step: (step.strand, step.place))]

    def strand_of(self, step: Step) -> Sequence[Step]:
        """Read the steps that share a step's strand, in order."""
        return [one for one in self.steps_of(step.flow) if one.strand == step.strand]

    def keep(self, steps: Iterable[Step]) -> None:
        """Keep what changed of steps."""
        self._steps.update((step.id, step) for step in steps)

    def add(self, steps: Iterable[Step]) -> None:
        """Store new steps."""
        for step in steps:
            self._steps[step.id] = step
            self._of[step.flow].add(step.id)

    def push(self, envelopes: Sequence[Envelope]) -> None:
        """Store jobs; a callback that has ended comes again."""
        for envelope in envelopes:
            entry = self._shelf.entries.get(envelope.id)
            if entry is not None and entry.state.is_final:
                self._shelf.drop(entry, self.now_us)
        self._shelf.enter(envelopes, self.now_us)

    def sweep(self, flow: str) -> Sequence[tuple[str, str]]:
        """End jobs of a flow that wait, and let the others know."""
        swept = []
        for entry in list(self._shelf.entries.values()):
            told = entry.envelope.flow
            if told is None or flow_in(told) != flow or role_in(told) not in notes.COUNTED:
                continue
            if entry.is_waiting:
                self._shelf.end(entry, JobState.CANCELLED, self.now_us)
                swept.append((entry.id, told))
            elif entry.state is JobState.PROCESSING:
                entry.cancel_requested = True
        return swept

    # -- what is asked -------------------------------------------------------------------------------------------

    def failed(self, flow: str) -> list[Entry]:
        """The members of a flow that have failed; of one that was deleted there are none."""
        if flow not in self.all:
            return []
        return [
            entry
            for entry in self._shelf.entries.values()
            if entry.state is JobState.FAILED and entry.envelope.flow and flow_in(entry.envelope.flow) == flow
        ]

    def reseal(self, change: FlowChange) -> int:
        """Put new payloads, options and results in the place of old ones; returns how many."""
        opening = self.all.get(change.flow)
        if opening is None:
            return 0
        done = self._reseal_results(change)
        for step_id in self._of[change.flow]:
            step = self._steps[step_id]
            if step.envelope is not None and step.envelope.payload in change.payloads:
                self._steps[step_id] = replace(step, envelope=resealed(step.envelope, change))
                done += 1
        done += sum(envelope.payload in change.payloads for _, envelope in opening.callbacks)
        callbacks = tuple((hook, resealed(envelope, change)) for hook, envelope in opening.callbacks)
        opening = replace(opening, callbacks=callbacks)
        if change.options is not None and opening.options == change.options[0]:
            opening = replace(opening, options=change.options[1])
            done += 1
        self.all[change.flow] = opening
        return done

    def _reseal_results(self, change: FlowChange) -> int:
        done = 0
        for step_id, old, new in change.results:
            step = self._steps.get(step_id)
            if step is not None and step.flow == change.flow and step.result == old:
                self._steps[step_id] = replace(step, result=new)
                done += 1
        return done

    def forget_old(self, now_us: int) -> None:
        """Forget flows that finished long ago."""
        limit = now_us - base.FLOW_KEPT_S * 1_000_000
        ended = [opening.flow for opening in self.all.values() if opening.flow.parent is None]
        for flow in [one for one in ended if one.finished_us is not None and one.finished_us <= limit]:
            self.delete(flow.id)

    def delete(self, flow: str) -> bool:
        """Forget a flow, its steps and the flows among them; whether there was one."""
        if self.all.pop(flow, None) is None:
            return False
        for one in self._of.pop(flow, ()):
            step = self._steps.pop(one)
            if step.is_flow:
                self.delete(one)
        return True
