"""Ids as commands are given them: one by one, on stdin, or as a range `FIRST..LAST`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qctl.commands.choosing import read_ids
from qctl.exits import NotFound, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qctl.context import Invocation

_DOTS = ".."


class Range(NamedTuple):
    """Ids from one to another, both included. Ids sort by the time of dispatch, and so do their beginnings."""

    first: str
    last: str

    def __contains__(self, job_id: object) -> bool:
        return isinstance(job_id, str) and job_id >= self.first and job_id[: len(self.last)] <= self.last


def ids_of(call: Invocation, words: Sequence[str], views: Sequence[str]) -> list[str]:
    """The ids that words name: `-` those on stdin, `FIRST..LAST` those of the jobs in these states that lie between.

    An end of a range may be the beginning of an id alone, or nothing at all.

    Raises:
        WrongUsage: a range is none, or a line of JSON has no id.
        NotFound: there is no such job within a range; nothing was done.
    """
    named = read_ids(words)
    ranges = {word: _range(word) for word in named if _DOTS in word}
    if not ranges:
        return named
    within = {job_id: None for job_id in _all(call, views) if any(job_id in one for one in ranges.values())}
    for word, one in ranges.items():
        if not any(job_id in one for job_id in within):
            raise NotFound(f"no job within {word} that is {' or '.join(views)}", hint=f"{_lists(views)} lists them")
    return list(dict.fromkeys([*(word for word in named if word not in ranges), *within]))


def _range(word: str) -> Range:
    first, _, last = word.lower().partition(_DOTS)
    if _DOTS in last or not (first or last) or (last and first[: len(last)] > last):
        raise WrongUsage(f"{word!r} is no range of ids", hint="write FIRST..LAST, the older one first")
    return Range(first, last)


def _lists(views: Sequence[str]) -> str:
    return "qctl failed" if tuple(views) == ("failed",) else "qctl jobs"


def _all(call: Invocation, views: Sequence[str]) -> Iterator[str]:
    from qcore.filters import Filter

    for found in call.monitor.select(Filter(), views=views, connection=call.flags.connection, everywhere=True):
        yield found.job.id
