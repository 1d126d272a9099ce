"""Permissions, asked for from inside an attempt."""

from __future__ import annotations

from collections.abc import Iterable

from qcore.identity import authorize, names
from qcore.jobs.guarding import standing_of
from qcore.jobs.job import Job


def authorize_job(job: Job, permissions: Iterable[str]) -> None:
    """See that the process that runs a job, and whoever dispatched it, hold these permissions.

    Args:
        job: under way: what its class requires has been seen to, this asks for more.
        permissions: as texts.

    Raises:
        PermissionDenied: one of them is missing; the job fails, and is not tried again.
        ConfigurationError: one of them is no permission's name.
    """
    what = type(job).__qualname__
    grants, identity = standing_of(job)
    authorize(names(permissions, what, "permission"), grants=grants, identity=identity, what=what)
