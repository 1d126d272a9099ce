"""How jobs and pushes are told in messages; what is to stay hidden stays so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcore.codec import MASK
from qcore.jobs.contracts import ShouldBeEncrypted
from qcore.jobs.job import Job
from qcore.testing.matching import arguments_of, class_of
from qcore.testing.pushed import Pushed, PushedFlow

_LONGEST = 60
_MOST = 20


def told(work: Any) -> str:
    """A job, class or flow in a few words."""
    if isinstance(work, (list, tuple)):
        return f"[{', '.join(map(told, work))}]"
    if isinstance(work, PushedFlow):
        name = f' "{work.name}"' if work.name else ""
        return f"{work.kind}{name} {told(work.jobs)}"
    if not isinstance(work, Job):
        return class_of(work).__qualname__
    shown = ", ".join(f"{name}={_shown(work, name, value)}" for name, value in arguments_of(work).items())
    return f"{type(work).__qualname__}({shown})"


def told_list(words: str, lines: Iterable[str]) -> str:
    """A list for a message, cut where it gets long; or that there was nothing."""
    every = list(lines)
    if not every:
        return f"nothing {words}"
    more = [f"... and {len(every) - _MOST} more"] if len(every) > _MOST else []
    return "\n  ".join([f"{words}:", *every[:_MOST], *more])


def told_push(pushed: Pushed) -> str:
    """A push in one line."""
    due = f", due in {pushed.delay_s:g} s" if pushed.delay_s else ""
    part = " (part of other work)" if pushed.flow else ""
    return f"{told(pushed.job)} on {pushed.queue}{due}{part}"


def _shown(job: Job, name: str, value: Any) -> str:
    if isinstance(job, ShouldBeEncrypted) or name in job._sensitive_fields:
        return MASK
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
