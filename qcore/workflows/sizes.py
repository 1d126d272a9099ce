"""How much of a flow one atomic step stores."""

from __future__ import annotations

from qcore.errors import PayloadTooLargeError
from qcore.flows import FlowKind, Weave

MOST_STEPS = 10_000
"""Steps of a chain or graph, what is nested in it included."""
MOST_BYTES = 64 * 1024 * 1024


def is_too_large(weave: Weave) -> bool:
    """Whether it is more than one step stores."""
    steps, size = _sizes(weave)
    return steps > MOST_STEPS or size > MOST_BYTES


def refuse_large(weave: Weave, kind: FlowKind) -> None:
    """See that one step can store it.

    Raises:
        PayloadTooLargeError: it cannot.
    """
    if is_too_large(weave):
        steps, size = _sizes(weave)
        raise PayloadTooLargeError(
            f"a {kind} of {steps:,} steps with {size:,} bytes is above what is stored in one step "
            f"({MOST_STEPS:,} steps, {MOST_BYTES:,} bytes)",
            hint=_hint(weave, kind),
        )


def _hint(weave: Weave, kind: FlowKind) -> str:
    """What helps: it depends on where most of it is."""
    nested = weave.openings if weave.extends is not None else weave.openings[1:]
    in_batches = sum(one.flow.total for one in nested if one.flow.kind is FlowKind.BATCH)
    if in_batches * 2 > _sizes(weave)[0]:
        return "let a first job of the batch within it add the others with self.batch.add(), or dispatch that by itself"
    if kind is FlowKind.BATCH:
        return "divide the list of steps that is too large, or let a step append the next ones"
    return "use a batch, which is stored piece by piece, or let a step append the next ones"


def _sizes(weave: Weave) -> tuple[int, int]:
    size = sum(len(step.envelope.payload) for step in weave.steps if step.envelope is not None)
    size += sum(len(envelope.payload) for envelope in weave.members)
    return len(weave.steps) + len(weave.members), size
