"""What was stored on a connection, opened: verified, seen to be allowed here, built."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from qcore.codec import Mask
from qcore.crypto.keyring import Keyring
from qcore.envelope import Lease
from qcore.errors import PayloadError
from qcore.identity import authorize, on_behalf_of
from qcore.jobs.classes import JobClasses
from qcore.jobs.guarding import LoadEntity, mask_of, seal_result
from qcore.jobs.packing import Payload, build, unpack

if TYPE_CHECKING:
    from qcore.jobs.job import Job


class Opener:
    """Opens payloads of one connection.

    Args:
        keyring: of the connection.
        classes: that may be run.
        load_entity: loads an entity that travelled by primary key.
        grants: permissions of whoever runs the jobs.
    """

    def __init__(
        self, keyring: Keyring | None, classes: JobClasses, load_entity: LoadEntity, grants: tuple[str, ...]
    ) -> None:
        self._keyring = keyring
        self._classes = classes
        self._load_entity = load_entity
        self._grants = grants

    def unpack(self, lease: Lease) -> Payload:
        """Verify a lease's payload; nothing of it is imported."""
        return unpack(lease, self._keyring)

    def check(self, payload: Payload) -> None:
        """See that a guarded job may run here, before any code of it does; raises `PermissionDenied`."""
        guard = payload.guard
        if guard is not None and guard.required:
            authorize(guard.required, grants=self._grants, identity=guard.identity, what=payload.job)

    def build(self, payload: Payload) -> Job:
        """Build the job of a payload; raises as `packing.build` does."""
        return build(payload, self._load_entity, classes=self._classes, keyring=self._keyring)

    def tell_failed(self, payload: Payload, error: Exception) -> None:
        """Call `failed()` on a fresh job of a payload, on behalf of whoever dispatched it."""
        job = self.build(payload)
        identity = payload.guard.identity if payload.guard is not None else None
        with nullcontext() if identity is None else on_behalf_of(identity):
            job.failed(error)

    def admit(self, payload: Payload, lease: Lease) -> Job:
        """See that a verified payload's job may run here, and build it."""
        self.check(payload)
        return build(payload, self._load_entity, classes=self._classes, keyring=self._keyring, listed_as=lease.job)

    def mask_of(self, payload: Payload | None) -> Mask | None:
        """Return what hides a payload's arguments in a text, if they are to be hidden."""
        return mask_of(payload, self._keyring)

    def mask(self, lease: Lease) -> Callable[[str], str] | None:
        """Return the same for a lease, whose payload may be no good."""
        try:
            return self.mask_of(self.unpack(lease))
        except PayloadError:
            return None

    def seal_result(self, lease: Lease, encoded: bytes) -> bytes:
        """Encrypt what a lease's job returned, if its arguments are hidden."""
        return self.seal(self.unpack(lease), encoded)

    def seal(self, payload: Payload | None, encoded: bytes) -> bytes:
        """Encrypt what a payload's job returned, if its arguments are hidden."""
        return seal_result(encoded, payload, self._keyring)
