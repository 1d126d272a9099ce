"""Middleware that lets a job run only where it may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qcore.errors import ConfigurationError, PermissionDenied
from qcore.jobs.job import Job
from qcore.middleware.stack import Next, answered
from qcore.security import authorize_job


class AuthorizationMiddleware:
    """Fails a job for good, with `PermissionDenied`, where it may not run.

    Args:
        required: the permission it needs, or several; or a function that is given the job and says whether it may run.
        granted: permissions that this process holds, or a function that tells them when a job is about to run. If None,
            those that its worker was granted count, and whoever dispatched the job must hold them too.

    Raises:
        ConfigurationError: nothing is required, or something that is no permission's name.

    Source: ours; Laravel has no such middleware.
    """

    def __init__(
        self,
        required: str | Iterable[str] | Callable[[Job], object],
        *,
        granted: Iterable[str] | Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._check = required if callable(required) else None
        self._required = () if callable(required) else _names(required)
        self._granted = granted
        if self._check is None and not (self._required and all(isinstance(name, str) for name in self._required)):
            raise ConfigurationError(
                f"AuthorizationMiddleware: {required!r} are no permissions", hint='give names, such as ["pay"]'
            )

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job where it may; returns what that returns.

        Raises:
            PermissionDenied: it may not; the job fails, and is not tried again.
            ConfigurationError: the function that says whether it may is async.
        """
        if self._check is not None and not answered(self._check(job), "AuthorizationMiddleware"):
            raise PermissionDenied(
                f"{type(job).__qualname__} may not run here", hint="the check of its AuthorizationMiddleware said no"
            )
        if self._required:
            self._insist(job)
        return next(job)

    def _insist(self, job: Job) -> None:
        if self._granted is None:
            authorize_job(job, self._required)
            return
        granted = set(_names(self._granted() if callable(self._granted) else self._granted))
        missing = [name for name in self._required if name not in granted]
        if missing:
            raise PermissionDenied(
                f"{type(job).__qualname__} needs the permission {missing[0]!r}, which this process does not hold",
                hint=f"it holds: {', '.join(sorted(granted)) or 'none'}",
            )


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
