"""A job whose arguments are nobody else's business, and which not every worker may run."""

from __future__ import annotations

from collections.abc import Iterable

from qcore.identity import names
from qcore.jobs.job import Job


class SecureJob(Job):
    """A job that is always signed, and says in `__init__` what of it is sensitive and what running it takes.

    It is refused, before any code of it runs, by a worker that lacks a permission (PermissionDenied), and where it is
    unsigned or was altered (SignatureError); it fails then, and is not tried again. Its dispatch raises
    ConfigurationError where there is no key to sign with.

    Source: signed by HMAC-SHA256 (RFC 2104), or Ed25519 (RFC 8032) where a pair of keys is configured; fields are
    encrypted by AES-256-GCM. Laravel has no such job.
    """

    _required_permissions: tuple[str, ...] | None = ()

    def set_sensitive_fields(self, fields: Iterable[str]) -> None:
        """Name the arguments that nobody may read: encrypted in the store, `•••` on screens, in logs and in errors.

        Args:
            fields: names of the constructor's parameters, as they are passed; an argument that is left out stands in
                the code anyway.

        Raises:
            ConfigurationError: one of them is no name. One that is no parameter is told of at dispatch.
        """
        self._sensitive_fields = names(fields, f"{type(self).__qualname__}.set_sensitive_fields", "field")

    def set_required_permissions(self, permissions: Iterable[str]) -> None:
        """Name what running the job takes, of the worker (`qctl work --grant`) and of whoever dispatches it.

        Args:
            permissions: as texts; those said before are forgotten. A dispatch outside `QueueManager.acting_as` is the
                application's own, which holds them all.

        Raises:
            ConfigurationError: one of them is no permission.
        """
        self._required_permissions = names(
            permissions, f"{type(self).__qualname__}.set_required_permissions", "permission"
        )
