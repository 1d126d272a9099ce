"""Which of the arguments that a job was built with are sensitive, and what hides them in what it says itself."""

from __future__ import annotations

from contextlib import suppress
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, NamedTuple

from qcore.codec import Mask, encode_arguments, sketch_arguments
from qcore.errors import ConfigurationError, PayloadError, QueueError

if TYPE_CHECKING:
    from qcore.jobs.job import Job

_BY_PLACE = frozenset({Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD})


def sensitive_arguments(job: Job) -> tuple[tuple[int, ...], frozenset[str]]:
    """Return the places of a job's sensitive arguments among those by position, and the names of the others.

    The name of `*rest` stands for all arguments that it takes, as does that of `**more`.

    Raises:
        ConfigurationError: a sensitive field is no argument of the constructor.
    """
    args, kwargs = job._arguments
    known = _learned.get(type(job)) or _learn(type(job))
    wanted = frozenset(job._sensitive_fields)
    unknown = sorted(wanted - known.every - kwargs.keys())
    if unknown:
        raise ConfigurationError(
            f"{type(job).__qualname__}: {unknown[0]!r} is sensitive, and no argument of its constructor",
            hint=f"its arguments are: {', '.join(sorted(known.every)) or 'none'}; nothing else travels",
        )
    names = (*known.by_place, *[known.rest] * (len(args) - len(known.by_place)))
    places = tuple(place for place in range(len(args)) if names[place] in wanted)
    named = frozenset(key for key in kwargs if key in wanted or (key not in known.every and known.more in wanted))
    return places, named


def mask_of_own(job: Job, *, hides_all: bool = False) -> Mask | None:
    """Return what hides a job's own arguments, as it was built with them; None where none of them is hidden.

    Args:
        job: as it is now.
        hides_all: its queue encrypts every job.
    """
    is_secure = job._required_permissions is not None and type(job)._required_permissions is not None
    if hides_all or getattr(job, "_hides_all", False):
        asked: tuple[str, ...] | None = None
    elif is_secure and job._sensitive_fields:
        asked = job._sensitive_fields
    elif job._sealed_arguments is not None:
        asked = ()
    else:
        return None
    if job._own_mask is None or job._own_mask[0] != asked:
        job._own_mask = (asked, _mask_of(job, asked))  # a job may write many lines, and learns late what is sensitive
    return job._own_mask[1]


def mask_error(error: QueueError, job: Job, *, hides_all: bool = False) -> None:
    """Take out of an error of a job's dispatch what is hidden of its arguments; what led to it is left out.

    Args:
        error: that is raised next.
        job: as it is now.
        hides_all: its queue encrypts every job.
    """
    mask = mask_of_own(job, hides_all=hides_all)
    if mask is not None:
        error.message, error.hint = mask(error.message), mask(error.hint)
        error.args, error.__cause__, error.__context__ = (error.message,), None, None


def _mask_of(job: Job, asked: tuple[str, ...] | None) -> Mask:
    hidden = [] if asked == () else _parts(*(job._arguments if asked is None else _sensitive_of(job)))
    return Mask(hidden if job._sealed_arguments is None else hidden + _parts(*job._sealed_arguments))


def _sensitive_of(job: Job) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args, kwargs = job._arguments
    try:
        places, named = sensitive_arguments(job)
    except ConfigurationError:
        return args, kwargs  # its dispatch says so; until then anything may be meant
    return tuple(args[place] for place in places), {key: kwargs[key] for key in named}


def _parts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The values, objects looked into as far as they could travel."""
    with suppress(PayloadError):  # a job that runs here and now takes anything
        args, kwargs = sketch_arguments(encode_arguments(args, kwargs, job=""))
    return [*args, *kwargs.values()]


class _Parameters(NamedTuple):
    """What a constructor takes."""

    by_place: tuple[str, ...]
    rest: str
    """Takes further arguments by position; empty where nothing does."""
    more: str
    """Takes further ones by name."""
    every: frozenset[str]


_learned: dict[type[Job], _Parameters] = {}


def _learn(cls: type[Job]) -> _Parameters:
    parameters = list(signature(cls.__init__).parameters.values())[1:]
    named = {one.kind: one.name for one in parameters}
    learned = _learned[cls] = _Parameters(
        tuple(one.name for one in parameters if one.kind in _BY_PLACE),
        named.get(Parameter.VAR_POSITIONAL, ""),
        named.get(Parameter.VAR_KEYWORD, ""),
        frozenset(one.name for one in parameters),
    )
    return learned
