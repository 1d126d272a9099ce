"""What a job asks for itself, as it travels: only what differs from the default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from qcore.backoff import Backoff, Exponential, normalize
from qcore.clock import microseconds
from qcore.errors import ConfigurationError

Seconds = float | timedelta
When = float | timedelta | datetime
BackoffLike = float | timedelta | Exponential | Sequence[float | timedelta]

DEFAULT_TRIES = 3
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RESULT_TTL_S = 3600.0
MAX_CRASHES = 3
MAX_RECLAIMS = 10


class JobOptions(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The options that a worker needs; queue, priority and due time stand on the envelope."""

    max_tries: int | None = None
    """0: no limit."""
    timeout_s: float | None = None
    """0: none."""
    backoff: Backoff | None = None
    retry_until_us: int | None = None
    retry_for_us: int | None = None
    """As `retry_until`, counted from the moment the store took the job."""
    max_exceptions: int | None = None
    fail_on_timeout: bool = False
    max_crashes: int | None = None
    result_ttl_s: float = DEFAULT_RESULT_TTL_S
    tenant: str | None = None


NONE = JobOptions()


def seconds(value: Any, what: str) -> float:
    """Turn a duration into seconds.

    Raises:
        ConfigurationError: it is negative or of another type; `what` names it.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{what}: {value!r} is no duration", hint="give seconds from 0 up, or a timedelta")
    return float(value)


def due(value: When, what: str) -> tuple[int, int | None]:
    """Split a delay into (microseconds from the store's now, instant in microseconds or None)."""
    if isinstance(value, datetime):
        return 0, microseconds(value)
    return (round(seconds(value, what) * 1_000_000) if value else 0), None


def count(value: Any, what: str, least: int = 0) -> int:
    """Check a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{what}: {value!r} is no whole number from {least} up")
    return value


def read(job: Any, given: set[str], what: str) -> JobOptions:
    """Collect the options that a job carries.

    Args:
        job: read attribute by attribute: the class's, what `__init__` set, what fluent calls set.
        given: names among them that differ from the default.
        what: names the job in errors.
    """
    values: dict[str, Any] = {}
    for name in given & _READERS.keys():
        value = getattr(job, name)
        if value is not None:
            _READERS[name](values, value, f"{what}.{name}")
    return JobOptions(**values) if values else NONE


def _retry_until(values: dict[str, Any], value: Any, what: str) -> None:
    if isinstance(value, datetime):
        values["retry_until_us"] = microseconds(value)
    else:
        values["retry_for_us"] = round(seconds(value, what) * 1_000_000)


def _backoff(values: dict[str, Any], value: Any, what: str) -> None:
    try:
        values["backoff"] = normalize(value)
    except ValueError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def _tenant(values: dict[str, Any], value: Any, what: str) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{what}: {value!r} is no name")
    values["tenant"] = value


_READERS: dict[str, Any] = {
    "max_tries": lambda values, value, what: values.update(max_tries=count(value, what)),
    "timeout": lambda values, value, what: values.update(timeout_s=seconds(value, what)),
    "backoff": _backoff,
    "retry_until": _retry_until,
    "max_exceptions": lambda values, value, what: values.update(max_exceptions=count(value, what, 1)),
    "fail_on_timeout": lambda values, value, _: values.update(fail_on_timeout=bool(value)),
    "max_crashes": lambda values, value, what: values.update(max_crashes=count(value, what, 1)),
    "result_ttl": lambda values, value, what: values.update(result_ttl_s=seconds(value, what)),
    "tenant": _tenant,
}
TRAVELLING = frozenset(_READERS)
PLACED = frozenset({"connection", "queue", "delay", "priority", "tags", "after_commit"})
ALL = TRAVELLING | PLACED
