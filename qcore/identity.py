"""Who dispatches, on whose authority, and what a worker is granted. Values alone: who carries them stands above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import msgspec

from qcore.errors import ConfigurationError, PermissionDenied


class Identity(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """On whose behalf jobs are dispatched; travels with them, signed and in clear text."""

    user: str
    permissions: tuple[str, ...] = ()
    """Sorted."""


I = TypeVar("I", Identity, Identity | None)  # noqa: E741  an identity
_acting: ContextVar[Identity | None] = ContextVar("qcore_identity", default=None)
current_identity = _acting.get
"""Returns the identity in force; None where the application dispatches on its own behalf."""


@contextmanager
def acting_as(user: str, permissions: Iterable[str] = ()) -> Iterator[Identity]:
    """Dispatch on behalf of a user for a block, in this thread or coroutine alone; gives the identity to the block.

    Args:
        user: a name or an id, as text; it travels with the jobs, signed and in clear.
        permissions: that he holds, as texts.

    Raises:
        ConfigurationError: the user is no text, or a permission is none.
    """
    if not _is_name(user):
        raise ConfigurationError(f"acting_as: {user!r} is no user", hint="give a name or an id, as text")
    with on_behalf_of(Identity(user, tuple(sorted(names(permissions, "acting_as", "permission"))))) as identity:
        yield identity


@contextmanager
def on_behalf_of(identity: I) -> Iterator[I]:
    """Let an identity, or none, be in force for a block: what a job dispatches, it does for whoever dispatched it."""
    token = _acting.set(identity)
    try:
        yield identity
    finally:
        _acting.reset(token)


def names(given: Iterable[str], where: str, kind: str) -> tuple[str, ...]:
    """Check names, each once, in their order; a single text is one name, not its letters.

    Args:
        given: by whoever calls.
        where: they were given, for the error.
        kind: of what they are names.

    Raises:
        ConfigurationError: one of them is no text, or empty; or these are no names.
    """
    said: object = given  # by whoever calls, whatever it should be
    found = dict.fromkeys(said if isinstance(said, Iterable) and not isinstance(said, (str, bytes)) else (said,))
    for one in found:
        if not _is_name(one):
            raise ConfigurationError(f"{where}: {one!r} is no {kind}", hint=f'write names as texts: ["{kind}"]')
    return tuple(found)


def authorize(
    required: Iterable[str], *, grants: Iterable[str], identity: Identity | None, what: str = "the job"
) -> None:
    """See that a job may run.

    Args:
        required: permissions that running it takes.
        grants: what the process holds that runs it.
        identity: on whose behalf it was dispatched; None where that was the application's own, which holds them all.
        what: names the job in the error.

    Raises:
        PermissionDenied: the process, or whoever dispatched the job, lacks one of them.
    """
    required = tuple(required)
    missing = [one for one in required if one not in set(grants)]
    if missing:
        raise PermissionDenied(
            f"{what} requires {_listed(missing)}, which this worker is not granted",
            hint=f"start a worker with: --grant {','.join(missing)}",
        )
    if identity is None:
        return
    lacking = [one for one in required if one not in identity.permissions]
    if lacking:
        raise PermissionDenied(
            f"{what} requires {_listed(lacking)}, which {identity.user!r}, who dispatched it, does not hold",
            hint="dispatch it as somebody who does: QueueManager.acting_as(user, permissions)",
        )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _listed(permissions: Iterable[str]) -> str:
    return ", ".join(map(repr, permissions))
