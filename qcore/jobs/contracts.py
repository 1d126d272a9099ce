"""What a job asks of the store beyond its options: classes to derive from, and what they mean for its envelope."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from qcore.envelope import Unique
from qcore.errors import ConfigurationError
from qcore.jobs.keys import hidden, key_of
from qcore.jobs.options import Elsewhere, JobOptions, Overlap, Seconds, name, seconds
from qcore.jobs.rate_limits import RateLimited, limits_of
from qcore.jobs.wrapping import is_overlapping, layers_of

CLASSES = frozenset({"unique", "rate_limited"})
"""What stands for the classes a job may derive from."""
NAMES = frozenset({"debounced", "middleware"}) | CLASSES
"""What of a job is read here."""


class ShouldBeEncrypted:
    """Let a job's arguments travel as ciphertext: `class Pay(Job, ShouldBeEncrypted)`.

    They and what `handle` returns can be read with the app key alone: not in the store or a backup of it, not in
    lists, screens and logs, and not in the record of a failure. Class, queue, tags and options stay clear.

    Its dispatch raises ConfigurationError where there is no app key. A worker without the key fails it, by
    SignatureError or DecryptionError, and none of its code runs.

    Source: Laravel's `ShouldBeEncrypted`, by AES-256-CBC and an HMAC; ours is AES-256-GCM (NIST SP 800-38D).
    """

    _hides_all = True


class ShouldBeUnique:
    """A job of which there is one at a time: while one waits or runs, dispatching another returns None.

    Lock and job are stored in one step, and the lock ends with the job: when it completes, fails for good or is
    cancelled. Which jobs are the same is said by `unique_id`; all three may be methods or plain attributes. A value
    that makes no sense raises ConfigurationError at dispatch. In a batch, chain or graph it takes no lock.

    Source: Laravel's `ShouldBeUnique`. There job and lock are two steps, anybody's end frees the lock, and it may
    stand for ever where its job is lost; `dispatch` does not tell that nothing was stored.
    """

    unique_replaces: bool = False
    """The last dispatch wins: a job that still waits is cancelled for the new one. One that a worker has reserved
    refuses the new one all the same."""

    def unique_id(self) -> str:
        """Tell the jobs of this class apart; by default they are all the same.

        Returns:
            A text; a whole number or a UUID will do. Anything else raises ConfigurationError at dispatch.
        """
        return ""

    def unique_for(self) -> Seconds:
        """Tell after how many seconds, or a timedelta, the lock ends by itself on the store's clock; 0: never.

        Returns:
            0 to 10 years. Anything else raises ConfigurationError at dispatch.
        """
        return 0

    def unique_via(self) -> str | None:
        """Name another connection to keep the lock, and say `unique_for`: lock and job are two steps then.

        Returns:
            A connection's name; None: the job's own store keeps it, in one step with the job. ConfigurationError is
            raised at dispatch where there is none of that name, where `unique_for` says 0, and with `unique_replaces`
            or `debounce`.

        Source: Laravel's `uniqueVia`, which names a cache.
        """
        return None


class ShouldBeUniqueUntilProcessing(ShouldBeUnique):
    """A job of which one waits at a time: the lock ends when it starts.

    Source: Laravel's `ShouldBeUniqueUntilProcessing`.
    """


def asked_of_store(
    job: Any, given: set[str], path: str, arguments: bytes, carried: JobOptions, secret: bytes | None = None
) -> tuple[Unique | None, JobOptions]:
    """Find the lock that a job needs to be stored, and its options with what a worker must know of locks and limits.

    Args:
        job: whose class and attributes are read.
        given: which of `NAMES` say anything.
        path: its class path.
        arguments: encoded; they tell jobs apart that are debounced and say no `unique_id`.
        carried: the options so far.
        secret: under which keys are named that would tell of arguments that are hidden; None where none are.
    """
    unique = _unique(job, path, arguments, secret) if given & {"unique", "debounced"} else None
    overlap = _overlap(job, path, secret) if "middleware" in given else None
    more: dict[str, Any] = {} if overlap is None else {"overlap": overlap}
    if "rate_limited" in given:
        more["limits"] = limits_of(job, path, secret)
    if unique is not None and unique.via is not None:
        more["elsewhere"] = Elsewhere(unique.via, unique.key, unique.until_start, unique.for_us)
    elif unique is not None and unique.until_start:
        more["until_start"] = True
    return unique, msgspec.structs.replace(carried, **more) if more else carried


def classes_of(cls: type) -> set[str]:
    """Which of `CLASSES` a class derives from."""
    found = {"unique"} if issubclass(cls, ShouldBeUnique) else set()
    return found | {"rate_limited"} if issubclass(cls, RateLimited) else found


def debounce_us(job: Any, what: str) -> tuple[int, int] | None:
    """Read `debounced`: how long after the last dispatch, and after the first at the most (0: any); None if it is not.

    Raises:
        ConfigurationError: it is neither a duration nor a pair of them, or the job has a delay as well.
    """
    value = job.debounced
    if value is None:
        return None
    pause, most = value if isinstance(value, tuple) and len(value) == 2 else (value, None)  # noqa: PLR2004  a pair
    pause_s = seconds(pause, f"{what}.debounced")
    most_s = 0.0 if most is None else seconds(most, f"{what}.debounced: max_wait")
    if not pause_s or (most is not None and most_s < pause_s):
        raise ConfigurationError(
            f"{what}.debounced: it waits {pause_s:g} s after the last dispatch, {most_s:g} s at the most",
            hint="write .debounce(5, max_wait=60): more than 0, and max_wait no less",
        )
    if job.delay:
        raise ConfigurationError(
            f"{what} has a delay and is debounced", hint="debounce says when it is due: drop delay"
        )
    return round(pause_s * 1_000_000), round(most_s * 1_000_000)


def _unique(job: Any, path: str, arguments: bytes, secret: bytes | None) -> Unique:
    what = type(job).__qualname__
    debounced = debounce_us(job, what)
    for_us = round(seconds(_said(job, "unique_for") or 0, f"{what}.unique_for") * 1_000_000)
    via = _said(job, "unique_via")
    replaces = debounced is not None or bool(getattr(job, "unique_replaces", False))
    if via is not None:
        _check_via(what, name(via, f"{what}.unique_via"), for_us, replaces=replaces)
    return Unique(
        key=key_of(path, hidden(_id_of(job, what, arguments), secret)),
        until_start=debounced is not None or isinstance(job, ShouldBeUniqueUntilProcessing),
        for_us=for_us,
        replaces=replaces,
        max_wait_us=debounced[1] if debounced is not None else 0,
        via=via,
    )


def _said(job: Any, attribute: str) -> Any:
    """What a job says by a method or a plain attribute; None where it says nothing."""
    value = getattr(job, attribute, None)
    return value() if callable(value) else value


def _id_of(job: Any, what: str, arguments: bytes) -> str:
    if not hasattr(job, "unique_id"):
        return sha256(arguments).hexdigest()
    value = _said(job, "unique_id")
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise ConfigurationError(
            f"{what}.unique_id: {type(value).__name__} is no text", hint='return text, such as f"{self.user_id}"'
        )
    return str(value)


def _check_via(what: str, via: str, for_us: int, *, replaces: bool) -> None:
    if not for_us:
        raise ConfigurationError(
            f"{what}: its lock is kept by connection {via!r} and has no end of its own",
            hint="say unique_for too: a crash between the two stores would keep the lock for ever",
        )
    if replaces:
        raise ConfigurationError(
            f"{what}: a job whose lock is kept by connection {via!r} cannot replace another",
            hint="drop unique_via, or unique_replaces and debounce",
        )


def _overlap(job: Any, path: str, secret: bytes | None) -> Overlap | None:
    found: list[Overlap] = [one.overlap(path) for one in layers_of(job) if is_overlapping(one)]
    if len(found) > 1:
        raise ConfigurationError(
            f"{type(job).__qualname__} has {len(found)} middleware that keep jobs from overlapping",
            hint="give it one, whose key says all of it",
        )
    if not found or secret is None:
        return found[0] if found else None
    key = found[0].key
    scope = key[0] + path if path in key else key[0]  # one that classes share stays theirs, as long as both hide it
    return msgspec.structs.replace(found[0], key=key_of(scope, hidden(key, secret)))
