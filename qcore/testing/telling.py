"""How jobs and pushes are told in messages; what is to stay hidden stays so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from inspect import Parameter, signature
from typing import Any

from qcore.codec import MASK
from qcore.jobs.contracts import ShouldBeEncrypted
from qcore.jobs.job import Job
from qcore.jobs.options import When
from qcore.testing.matching import arguments_of, class_of
from qcore.testing.pushed import Pushed, PushedFlow

_LONGEST = 60
_SHORT_S = 10.0
_MOST = 20


def told(work: Any) -> str:
    """A job, class or flow in a few words."""
    if isinstance(work, (list, tuple)):
        return f"[{', '.join(map(told, work))}]"
    if isinstance(work, PushedFlow):
        return _told_flow(work)
    if not isinstance(work, Job):
        return class_of(work).__qualname__
    return f"{type(work).__qualname__}({', '.join(_told_arguments(work))})"


def told_list(words: str, lines: Iterable[str]) -> str:
    """A list for a message, cut where it gets long; or that there was nothing."""
    every = list(lines)
    if not every:
        return f"nothing {words}"
    more = [f"... and {len(every) - _MOST} more"] if len(every) > _MOST else []
    return "\n  ".join([f"{words}:", *every[:_MOST], *more])


def told_pushes(pushes: Sequence[Pushed], asked: type[Job] | None) -> str:
    """What was pushed, in order; where that is cut, the jobs of the class that was asked for stand first."""
    if asked is not None and len(pushes) > _MOST:
        pushes = sorted(pushes, key=lambda one: not isinstance(one.job, asked))
    return told_list("pushed", map(told_push, pushes))


def told_push(pushed: Pushed) -> str:
    """A push in one line."""
    part = " (part of other work)" if pushed.flow else ""
    return f"{told(pushed.job)} on {pushed.queue}{_told_due(pushed)}{part}"


def told_seconds(seconds: float) -> str:
    """A time: below ten seconds as it is, whole seconds above."""
    return f"{seconds:g} s" if seconds < _SHORT_S else f"{seconds:.0f} s"


def told_delay(delay: When) -> str:
    """A delay as a test expects it."""
    return delay.isoformat() if isinstance(delay, datetime) else repr(delay)


def _told_arguments(job: Job) -> Iterator[str]:
    """Each argument with its name, where it has one: those that a `*` or `**` takes as they were written."""
    kinds = {one.name: one.kind for one in signature(type(job)).parameters.values()}
    for name, value in arguments_of(job).items():
        if kinds[name] is Parameter.VAR_POSITIONAL:
            yield from (shown(job, name, one) for one in value)
        elif kinds[name] is Parameter.VAR_KEYWORD:
            yield from (f"{key}={shown(job, key, one)}" for key, one in value.items())
        else:
            yield f"{name}={shown(job, name, value)}"


def _told_due(pushed: Pushed) -> str:
    """When it is due, as its dispatch said it: as an instant or in seconds."""
    if pushed.due_at is None:
        return ""
    if isinstance(pushed.job.delay, datetime):
        return f", due at {pushed.due_at.isoformat()}"
    return f", due in {told_seconds(pushed.delay_s)}"


def _told_flow(flow: PushedFlow) -> str:
    name = f' "{flow.name}"' if flow.name else ""
    more = []
    if flow.callbacks:
        more.append(f"with {', '.join(sorted(flow.callbacks))}")
    if flow.allowed_share is not None:
        more.append(f"of which {flow.allowed_share * 100:g}% may fail")
    elif flow.allowed:
        more.append("of which any may fail" if flow.allowed < 0 else f"of which {flow.allowed} may fail")
    if flow.options:
        more.append(f"options {_cut(repr(dict(flow.options)))}")
    return ", ".join([f"{flow.kind}{name} {told(flow.jobs)}", *more])


def shown(job: Job, name: str, value: Any) -> str:
    """Show one argument of a job, unless that is nobody's business."""
    if isinstance(job, ShouldBeEncrypted) or name in job._sensitive_fields:
        return MASK
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
