"""The end of an attempt and all that follows from it, as one value that a store applies in one step."""

from __future__ import annotations

import msgspec

from qcore.envelope import Envelope
from qcore.flows import Growth
from qcore.states import Outcome


class Settlement(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How one attempt ended.

    A store applies it whole or, when the token is stale, not at all. One whose token already ended that job
    in the same way counts as accepted, so that a settle whose reply was lost can be repeated.
    """

    id: str
    queue: str
    job: str
    token: str
    outcome: Outcome
    attempts: int = 0
    """Tries charged now, this one included if it was charged."""
    exceptions: int = 0
    delay_us: int = 0
    """RELEASED: from the store's now until due again. A negative one keeps the old due time (handed back)."""
    history: bytes | None = None
    """The errors so far, newest last; None leaves what is stored."""
    error: str | None = None
    """FAILED: the last error in one line, for lists."""
    result: bytes | None = None
    """COMPLETED: what `handle` returned, encoded; None costs nothing."""
    result_ttl_s: float = 3600.0
    runtime_s: float = 0.0
    waited_us: int = -1
    """From when the job was due until it was reserved; negative where that is not to be measured."""
    rss_bytes: int = 0
    """Memory of the worker's process, where it was just looked at."""
    pushes: tuple[Envelope, ...] = ()
    """Jobs that exist because this one ended (next steps, callbacks); stored in the same step.

    They take no unique locks: what follows must not be refused.
    """
    lock: str | None = None
    """Key of the unique lock of the lease, freed in the same step unless RELEASED."""
    exclusive: str | None = None
    """Key that `start` took for this attempt, freed in the same step whatever the outcome."""
    flow: str | None = None
    """As the lease said: the flow in which the end counts, in the same step."""
    growth: Growth | None = None
    """COMPLETED: what is added to the flow."""
    is_excused: bool = False
    """FAILED: it does not count against the failures that the flow allows."""
