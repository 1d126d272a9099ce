"""What a job asks for itself, as it travels: only what differs from the default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from unicodedata import category

import msgspec

from qcore.backoff import Backoff, Exponential, normalize
from qcore.clock import LONGEST_S, microseconds
from qcore.errors import ConfigurationError
from qcore.limits import Limit

Seconds = float | timedelta
When = float | timedelta | datetime
BackoffLike = float | timedelta | Exponential | Sequence[float | timedelta]

DEFAULT_TRIES = 3
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RESULT_TTL_S = 3600.0
MAX_CRASHES = 3
MAX_RECLAIMS = 10
LONGEST_NAME = 190
"""Characters of a queue's name, of a tag: what every store can index."""
LARGEST_COUNT = 2**31 - 1
LAST_US = microseconds(datetime(2200, 1, 1, tzinfo=UTC))
"""Instants of jobs lie before it."""
_TOO_LONG = "is it in milliseconds? times are in seconds; an instant is given as a datetime"


class Overlap(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Of the jobs of a key one runs at a time."""

    key: str
    release_us: int = 0
    """How long a job waits that was kept from running; 0: until it is worth asking again."""
    expire_us: int = 0
    """From its start, after which a job that still runs keeps nobody back; 0: as long as its lease lasts."""


class Elsewhere(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A unique lock that another connection keeps."""

    connection: str
    key: str
    until_start: bool = False
    for_us: int = 0
    """After which it ends by itself; 0 in a payload from before this was kept."""


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
    until_start: bool = False
    """Its unique lock ends when it starts."""
    overlap: Overlap | None = None
    elsewhere: Elsewhere | None = None
    limits: tuple[Limit, ...] = ()
    """Of which each has to let it start."""

    @property
    def starts(self) -> bool:
        """Whether a store is to be told before the job runs."""
        is_elsewhere = self.elsewhere is not None and self.elsewhere.until_start
        return self.until_start or self.overlap is not None or bool(self.limits) or is_elsewhere


NONE = JobOptions()


def seconds(value: Any, what: str) -> float:
    """Turn a duration into seconds.

    Raises:
        ConfigurationError: it is negative, beyond 10 years or of another type; `what` names it.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{what}: {value!r} is no duration", hint="give seconds from 0 up, or a timedelta")
    if value > LONGEST_S:
        raise ConfigurationError(f"{what}: {float(min(value, 1e300)):g} s is beyond 10 years", hint=_TOO_LONG)
    return float(value)


def due(value: When, what: str) -> tuple[int, int | None]:
    """Split a delay into (microseconds from the store's now, instant in microseconds or None)."""
    if isinstance(value, datetime):
        return 0, instant_us(value, what)
    return (round(seconds(value, what) * 1_000_000) if value else 0), None


def instant_us(value: datetime, what: str) -> int:
    """Turn a datetime into microseconds since the epoch; what lies before the epoch is the epoch."""
    try:
        us = microseconds(value)
    except (ValueError, OverflowError, OSError):  # a naive one at an end of the calendar has no local time
        us = LAST_US if value.year > 1 else 0
    if us >= LAST_US:
        raise ConfigurationError(f"{what}: {value} is beyond the year 2199")
    return max(0, us)


def count(value: Any, what: str, least: int = 0) -> int:
    """Check a whole number of at least `least`, that every store can hold."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{what}: {value!r} is no whole number from {least} up")
    if value > LARGEST_COUNT:
        raise ConfigurationError(f"{what}: {min(value, 10**300):.4g} is above {LARGEST_COUNT}, the largest number here")
    return value


def percentage(value: Any, what: str) -> int:
    """Check a share in percent, and bring what lies outside 0 to 100 inside."""
    try:
        inside = max(0, min(100, value)) if value == value else value  # noqa: PLR0124  so is all but NaN
        whole: int = round(inside)
    except (TypeError, ValueError, ArithmeticError):
        raise ConfigurationError(f"{what}: {value!r} is no percentage", hint="give a number from 0 to 100") from None
    return whole


def name(value: Any, what: str) -> str:
    """Check the name of a queue, or a tag."""
    if not isinstance(value, str) or not _is_name(value):
        shown = repr(value)
        if len(shown) > LONGEST_NAME:  # its beginning alone would tell what is to be masked, and no mask would find it
            shown = f"a {type(value).__name__} of {len(shown):,} characters"
        raise ConfigurationError(
            f"{what}: {shown} is no name",
            hint=f"give text of 1 to {LONGEST_NAME} characters, without control characters",
        )
    return value


def tags_of(value: Any, what: str) -> tuple[str, ...]:
    """Check tags; a single text is one tag, not its letters."""
    if isinstance(value, str):
        return (name(value, what),)
    if not isinstance(value, Iterable):
        raise ConfigurationError(f"{what}: {value!r} are no tags", hint='write tags = ("urgent",)')
    return tuple(name(tag if isinstance(tag, str) else str(tag), what) for tag in value)


@lru_cache(1024)
def _is_name(value: str) -> bool:
    return 0 < len(value) <= LONGEST_NAME and not any(category(letter) in {"Cc", "Cs"} for letter in value)


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
        values["retry_until_us"] = instant_us(value, what)
    else:
        values["retry_for_us"] = round(seconds(value, what) * 1_000_000)


def _backoff(values: dict[str, Any], value: Any, what: str) -> None:
    try:
        values["backoff"] = normalize(value)
    except ValueError as error:
        raise ConfigurationError(f"{what}: {str(error).removeprefix('backoff: ')}") from error


def _tenant(values: dict[str, Any], value: Any, what: str) -> None:
    values["tenant"] = name(value, what)


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
LISTED = frozenset({"priority", "tags"})
PLACED = frozenset({"connection", "queue", "delay", "after_commit"}) | LISTED
ALL = TRAVELLING | PLACED
