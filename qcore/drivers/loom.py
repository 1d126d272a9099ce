"""What a store that counts in Python does for its flows, so that `weaving` can let them move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from qcore.envelope import Envelope
from qcore.flows import Flow, Hook, Step


class Loom(Protocol):
    """What a store does for its flows; all of it is one step."""

    @property
    def now_us(self) -> int:
        """The instant."""
        ...

    def flows(self, ids: Sequence[str]) -> Mapping[str, Flow]:
        """Read flows and hold them, in order; those that are gone are left out."""
        ...

    def save(self, flow: Flow) -> None:
        """Keep what changed of a flow."""
        ...

    def callbacks(self, flow: str) -> Mapping[Hook, Envelope]:
        """Read the callbacks of a flow."""
        ...

    def steps(self, ids: Sequence[str]) -> Mapping[str, Step]:
        """Read steps by their ids."""
        ...

    def steps_of(self, flow: str) -> Sequence[Step]:
        """Read all the steps of a flow, in order."""
        ...

    def strand_of(self, step: Step) -> Sequence[Step]:
        """Read the steps that share a step's strand, in order; the flow may have many others."""
        ...

    def keep(self, steps: Iterable[Step]) -> None:
        """Keep what changed of steps."""
        ...

    def add(self, steps: Iterable[Step]) -> None:
        """Store new steps."""
        ...

    def push(self, envelopes: Sequence[Envelope]) -> None:
        """Store jobs, whatever the capacity; a callback may be one that has ended before."""
        ...

    def sweep(self, flow: str) -> Sequence[tuple[str, str]]:
        """End jobs of a flow that wait, as cancelled, and let the others know: ids and what they are to the flow."""
        ...
