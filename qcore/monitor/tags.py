"""Tags: how many jobs have which, and those that somebody keeps an eye on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from qcore.filters import Filter, one_of, state_of
from qcore.jobs.options import tags_of
from qcore.monitor.selection import Selection
from qcore.monitor.snapshots import TagSnapshot, TotalsSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qcore.drivers import Store
    from qcore.manager import QueueManager


class TagsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Tags, the monitored ones first, then by the number of their jobs."""

    tags: tuple[TagSnapshot, ...]
    scanned_limit: bool = False
    """Not all jobs were looked at: there are too many."""


class Tags:
    """Counts jobs by tag.

    Args:
        manager: whose connections are read.
        connection: which alone; if None all in use, and the default's for what is to be monitored.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager = manager
        self._connection = connection

    def monitored(self) -> list[str]:
        """Name the tags that somebody keeps an eye on."""
        return sorted({tag for store in self._stores() for tag in store.monitored_tags()})

    def monitor(self, tags: Sequence[str], *, is_on: bool = True) -> int:
        """Keep an eye on tags, or no longer; returns for how many that changed anything.

        Raises:
            ConfigurationError: one of them is no tag.
        """
        checked = tags_of(tags, "tag")
        if is_on:
            name = self._manager.settings.connection(self._connection).name
            return self._manager.connection(name).mark_tags(checked, monitored=True)
        return sum([store.mark_tags(checked, monitored=False) for store in self._stores()])

    def count(self, tags: Sequence[str] | None = None) -> TagsPage:
        """Count the jobs of each tag by state.

        Args:
            tags: only these, in which `*` stands for anything; all that any job has, or that are monitored, if None.
        """
        watched = self.monitored()
        chosen = one_of("tag", list(tags)) if tags else Filter()
        selection = Selection(self._manager, chosen, connection=self._connection, everywhere=True, bounded=True)
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for tag in watched if tags is None else (tag for tag in tags if "*" not in tag):
            counts[tag] = Counter()
        for found in selection:
            for tag in found.job.tags:
                if tags is None or any(fnmatchcase(tag, one) for one in tags):
                    counts[tag][state_of(found.job)] += 1
        return TagsPage(tags=_sorted(counts, watched), scanned_limit=selection.scanned_limit)

    def _stores(self) -> Iterable[Store]:
        names = [self._connection] if self._connection else self._manager.connections_in_use()
        return map(self._manager.connection, names)


def _sorted(counts: dict[str, Counter[str]], watched: Sequence[str]) -> tuple[TagSnapshot, ...]:
    shown = [
        TagSnapshot(tag=tag, monitored=tag in watched, totals=TotalsSnapshot(**one)) for tag, one in counts.items()
    ]
    return tuple(sorted(shown, key=lambda one: (not one.monitored, -sum(counts[one.tag].values()), one.tag)))
