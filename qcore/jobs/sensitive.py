"""Which of the arguments that a job was built with are sensitive."""

from __future__ import annotations

from inspect import Parameter, signature

from qcore.errors import ConfigurationError
from qcore.jobs.job import Job

_BY_PLACE = frozenset({Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD})


def sensitive_arguments(job: Job) -> tuple[tuple[int, ...], frozenset[str]]:
    """Return the places of a job's sensitive arguments among those by position, and the names of the others.

    The name of `*rest` stands for all arguments that it takes, as does that of `**more`.

    Raises:
        ConfigurationError: a sensitive field is no argument of the constructor.
    """
    args, kwargs = job._arguments
    parameters = list(signature(type(job).__init__).parameters.values())[1:]
    by_name = {one.name: one for one in parameters}
    rest = next((one.name for one in parameters if one.kind is Parameter.VAR_POSITIONAL), "")
    more = next((one.name for one in parameters if one.kind is Parameter.VAR_KEYWORD), "")
    wanted = frozenset(job._sensitive)
    unknown = sorted(wanted - by_name.keys() - kwargs.keys())
    if unknown:
        raise ConfigurationError(
            f"{type(job).__qualname__}: {unknown[0]!r} is sensitive, and no argument of its constructor",
            hint=f"its arguments are: {', '.join(by_name) or 'none'}; what it makes of them does not travel",
        )
    names = [one.name for one in parameters if one.kind in _BY_PLACE]
    names += [rest] * (len(args) - len(names))
    places = tuple(place for place in range(len(args)) if names[place] in wanted)
    named = frozenset(key for key in kwargs if (key if key in by_name else more) in wanted or key in wanted)
    return places, named
