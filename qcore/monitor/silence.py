"""Jobs that nobody wants to see once they completed: heartbeats, pings and their like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import translate
from re import compile as compiled
from typing import TYPE_CHECKING

import msgspec

from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.config import Settings
    from qcore.monitor.snapshots import JobSnapshot


class Silence:
    """Marks snapshots of jobs that are silenced.

    Args:
        settings: say which classes and tags are.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_class = _any_of(settings.silenced)
        self._tags = frozenset(settings.silenced_tags)
        self.is_any = bool(settings.silenced or settings.silenced_tags)
        """Whether there is anything to be silent about."""

    def mark(self, job: JobSnapshot) -> JobSnapshot:
        """The job as it is, or marked as silenced."""
        if not self.is_any or job.state is not JobState.COMPLETED:
            return job
        is_silenced = self._is_class(job.name) or self._is_class(job.job) or not self._tags.isdisjoint(job.tags)
        return msgspec.structs.replace(job, silenced=True) if is_silenced else job


def _any_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    match = compiled("|".join(map(translate, patterns)) or r"(?!)").match
    return lambda name: match(name) is not None
