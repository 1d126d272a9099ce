"""Middleware: composed into one call, once for a class that says it itself, once a run where a job does.

A job says it by `self.middleware` or by a method `middleware(self)`; a class by an attribute, or by a `middleware` that
is a class method or a static one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import getattr_static, isawaitable, iscoroutinefunction
from typing import Any, NamedTuple, Protocol, TypeGuard

from qcore.errors import ConfigurationError
from qcore.jobs.job import Job
from qcore.jobs.options import Overlap

Call = Callable[[Job], Any]
"""Runs a job's `handle`, or a middleware around it; gives what it returned, or something to await."""

around_all: list[Any] = []
"""Middleware around every job of this process, outermost first; see `wrap_all`."""


class Overlapping(Protocol):
    """A middleware that lets one job of a key run at a time; what it asks for is read at dispatch."""

    def overlap(self, job_path: str) -> Overlap:
        """What a job of that class path asks for."""
        ...


def is_overlapping(layer: object) -> TypeGuard[Overlapping]:
    """Whether a middleware is such: by its class alone, for a protocol's own look takes longer than a small job."""
    return hasattr(type(layer), "overlap")


def wrap_all(layers: Iterable[Any]) -> None:
    """Put middleware around every job that this process runs, inside of what is there already.

    Raises:
        ConfigurationError: one of them is no middleware.
    """
    found = [checked(layer, "QueueManager.middleware") for layer in layers]
    for layer in found:
        if is_overlapping(layer):
            raise ConfigurationError(
                f"QueueManager.middleware: {type(layer).__name__} says what a job's own class must not overlap with",
                hint="give it to that class: middleware = [...]",
            )
    around_all.extend(found)
    _of_class.clear()


def wrap_outermost(layer: Any) -> None:
    """Put a middleware around every job that this process runs, outside of all others."""
    around_all.insert(0, layer)
    _of_class.clear()


def unwrap_all() -> None:
    """Take off all that `wrap_all` put around jobs (between tests)."""
    around_all.clear()
    _of_class.clear()


def call_of(job: Job) -> Call:
    """Compose the call that runs a job inside all its middleware."""
    cls = type(job)
    if "middleware" in job.__dict__:
        return _composed(_said(job.middleware, cls), cls)
    return _kept(cls).call or _composed(_said(job.middleware, cls), cls)


def layers_of(job: Job) -> Iterable[Any]:
    """List a job's own middleware, outermost first, without what is around all jobs."""
    held = None if "middleware" in job.__dict__ else _kept(type(job))
    return _said(job.middleware, type(job)) if held is None or held.layers is None else held.layers


def checked(layer: Any, where: str) -> Any:
    """Return what has `handle(job, next)`.

    Raises:
        ConfigurationError: it has not, or it is a class of such; `where` names the place.
    """
    if type(layer) in _async_kinds:
        return layer
    if isinstance(layer, type):
        raise ConfigurationError(f"{where}: {layer.__name__} is a class", hint=f"make one: {layer.__name__}()")
    if not callable(getattr(layer, "handle", None)):
        raise ConfigurationError(f"{where}: {layer!r} is no middleware", hint="it needs a method `handle(job, next)`")
    return layer


class _Held(NamedTuple):
    """The call of a class."""

    call: Call | None
    """None: each run is composed anew."""
    layers: tuple[Any, ...] | None
    """What it was composed of."""
    source: Any
    """The attribute it was made of; None where it is a method."""
    size: int

    def is_stale(self, cls: type[Job]) -> bool:
        """Whether the class has another attribute by now, or another number of layers in it."""
        return self.source is not None and (cls.middleware is not self.source or len(self.source) != self.size)


_of_class: dict[type[Job], _Held] = {}


def _kept(cls: type[Job]) -> _Held:
    held = _of_class.get(cls)
    if held is None or held.is_stale(cls):
        held = _of_class[cls] = _held(cls)
    return held


def _held(cls: type[Job]) -> _Held:
    said = cls.middleware
    if not callable(said):
        layers = tuple(_said(said, cls))
        return _Held(_composed(layers, cls), layers, said if hasattr(said, "__len__") else None, len(layers))
    if isinstance(getattr_static(cls, "middleware"), classmethod | staticmethod):
        layers = tuple(_said(said, cls))
        return _Held(_composed(layers, cls), layers, None, 0)
    return _Held(None, None, None, 0)


def _said(middleware: Any, cls: type[Job]) -> Iterable[Any]:
    said = middleware() if callable(middleware) else middleware
    if not hasattr(said, "__iter__"):
        raise ConfigurationError(
            f"{cls.__qualname__}.middleware: {type(said).__name__} is no list of middleware",
            hint="write middleware = [...], or a method that returns a list",
        )
    return said  # type: ignore[no-any-return]  # looked at


def _composed(layers: Iterable[Any], cls: type[Job]) -> Call:
    call: Call = _innermost
    for layer in reversed([*around_all, *layers]):
        is_async = _async_kinds.get(type(layer))
        if is_async is None:
            is_async = _looked_at(layer, cls)
        call = _around(layer.handle, _awaited(call) if is_async else call)
    return call


def _innermost(job: Job) -> Any:
    return job.handle()


def _around(handle: Callable[[Job, Call], Any], following: Call) -> Call:
    return lambda job: handle(job, following)


_async_kinds: dict[type, bool] = {}
"""Whether the `handle` of a class of middleware is async; of those that have been looked at, for they pass each run."""


def _looked_at(layer: Any, cls: type[Job]) -> bool:
    """Say whether a layer's `handle` is async, and remember it for its class."""
    is_async = iscoroutinefunction(checked(layer, f"{cls.__qualname__}.middleware").handle)
    if hasattr(type(layer), "handle"):
        _async_kinds[type(layer)] = is_async
    return is_async


def _awaited(following: Call) -> Call:
    """Let what an async middleware is given be awaited, also where the job is not async."""

    async def call(job: Job) -> Any:
        result = following(job)
        return await result if isawaitable(result) else result

    return call
