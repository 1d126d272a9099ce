"""What is signed: everything a worker needs to run a job, and where it belongs."""

from __future__ import annotations

import msgspec

from qcore.identity import Identity
from qcore.jobs.options import JobOptions


class Guard(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What protects a job, and who answers for it."""

    is_encrypted: bool = False
    """All of its arguments are ciphertext."""
    hidden: bytes | None = None
    """Ciphertext of those arguments alone that are sensitive; a mask stands in their places."""
    places: tuple[int, ...] = ()
    """Where among the positional arguments the first of the hidden ones belong; the rest have names."""
    required: tuple[str, ...] | None = None
    """Permissions that running it takes; None where it is no `SecureJob`."""
    identity: Identity | None = None
    """On whose behalf it was dispatched; None where that was the application's own."""

    @property
    def hides(self) -> bool:
        """Whether there are arguments that nobody without a key may see."""
        return self.is_encrypted or self.hidden is not None


class Payload(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A job as it travels, before it is signed."""

    id: str
    job: str
    queue: str
    arguments: bytes
    options: JobOptions | None = None
    guard: Guard | None = None
    flow: str | None = None
    """What its envelope says of it (`flows.membership`), so that nobody can let it count elsewhere."""
    trace: dict[str, str] | None = None
    """What joins its attempts to the span it was dispatched in; None where nobody traces."""
    priority: int | None = None
    """As its envelope says, like the tags; None of both in a payload from before they were signed."""
    tags: tuple[str, ...] | None = None
