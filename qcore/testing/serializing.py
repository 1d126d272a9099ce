"""`assert_job_serializable`: a job arrives at a worker as it was dispatched."""

from __future__ import annotations

from decimal import Decimal
from math import isnan
from os import urandom
from typing import Any, TypeVar

from qcore.crypto.keyring import Keyring
from qcore.errors import QueueError
from qcore.jobs.job import Job
from qcore.jobs.packing import build, pack, unpack
from qcore.testing.matching import arguments_of
from qcore.testing.telling import shown, told

J = TypeVar("J", bound=Job)


def assert_job_serializable(job: J) -> J:
    """Fail unless a job's arguments travel, and arrive equal and of the same types.

    Args:
        job: an instance.

    Returns:
        The job as a worker builds it.

    Raises:
        AssertionError: with the argument that does not travel, and why.
        TypeError: it is no instance.
    """
    if not isinstance(job, Job):
        raise TypeError(f"expected a job with its arguments, not {job!r}")
    keyring = Keyring(urandom(32))
    try:
        envelope = pack(job, queue=job.queue or "default", keyring=keyring)
        payload = unpack(envelope, keyring)
        arrived = build(payload, keyring=keyring)
    except QueueError as error:
        raise AssertionError(f"{told(job)} does not travel: {error}") from error
    before, after = arguments_of(job), arguments_of(arrived)
    for name, value in before.items():
        if not _is_same(value, after[name]):
            left, got = shown(job, name, value), shown(job, name, after[name])
            why = " (they look alike, and are not equal: has its class no __eq__?)" if left == got else ""
            raise AssertionError(f"{type(job).__qualname__}: {name} left as {left} and arrived as {got}{why}")
    return arrived  # type: ignore[return-value]  # of the class that was packed


def _is_same(left: Any, arrived: Any) -> bool:
    """Whether two values are equal and of the same types, all the way down in lists and dictionaries."""
    if type(left) is not type(arrived):
        return False
    if isinstance(left, dict):
        return len(left) == len(arrived) and all(map(_is_same, left.items(), arrived.items()))
    if isinstance(left, (list, tuple)):
        return len(left) == len(arrived) and all(map(_is_same, left, arrived))
    return bool(left == arrived) or (_is_nan(left) and _is_nan(arrived))


def _is_nan(value: Any) -> bool:
    """Whether it is the number that equals nothing, itself included."""
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and isnan(value)
