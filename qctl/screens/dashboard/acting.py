"""What an operator does from the dashboard beyond what `qctl top` can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qctl import format as fmt
from qctl.screens.top.acting import Deed, Deeds

if TYPE_CHECKING:
    from qcore.monitor import ActionResult, Actions
    from qcore.monitor.flows import FlowMonitor
    from qcore.monitor.tags import Tags

_WORDS = {"batches": ("batch", "batch", "batches"), "chains": ("chain", "chain or graph", "chains and graphs")}


class PageDeeds(Deeds):
    """Makes deeds of what is under the cursor of a page.

    Args:
        actions: on the connection that is shown.
        flows: on the same.
        tags: on the same.
        flags: of the command line, that a shown command repeats.
        protected: queues that are cleared only by one who types their name.
    """

    def __init__(
        self, actions: Actions, flows: FlowMonitor, tags: Tags, flags: Sequence[str] = (), protected: Sequence[str] = ()
    ) -> None:
        super().__init__(actions, flags, protected)
        self._flows, self._tags = flows, tags

    def cancel_flows(self, page: str, ids: Sequence[str], samples: Sequence[str]) -> Deed:
        """Let nothing of these begin any more."""
        words = f"Cancel {_named(page, len(ids))}?"
        line = self._line(_WORDS[page][0], "cancel", *ids)
        return Deed(words, line, lambda: _told(page, "cancelled", self._flows.cancel(ids)), samples, asks=True)

    def retry_flows(self, page: str, ids: Sequence[str], samples: Sequence[str]) -> Deed:
        """Let these go on from what failed."""
        words = f"Let {_named(page, len(ids))} go on from what failed?"
        line = self._line(_WORDS[page][0], "retry", *ids)
        return Deed(words, line, lambda: _told(page, "retried", self._flows.retry(ids)), samples, asks=len(ids) > 1)

    def watch_tags(self, tags: Sequence[str], *, is_on: bool) -> Deed:
        """Keep an eye on tags, or no longer."""
        verb = "monitor" if is_on else "unmonitor"
        done = "monitoring" if is_on else "no longer monitoring"

        def do() -> str:
            self._tags.monitor(tags, is_on=is_on)
            return f"{done} {fmt.plural(len(tags), 'tag')}"

        return Deed(f"{verb.capitalize()} tags", self._line("tags", f"--{verb}", ",".join(tags)), do)

    def free(self, locks: Sequence[str]) -> Deed:
        """Free locks, whosever they are."""

        def do() -> str:
            freed = sum(self._actions.release_lock(key).changed for key in locks)
            return f"freed {fmt.plural(freed, 'lock')}"

        flags = [word for key in locks for word in ("--release", key)]
        return Deed(f"Free {fmt.plural(len(locks), 'lock')}?", self._line("locks", *flags), do, locks[:3], asks=True)


def _named(page: str, count: int) -> str:
    _, one, several = _WORDS[page]
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


def _told(page: str, word: str, result: ActionResult) -> str:
    """What came of it, in one line."""
    said = f"{word} {_named(page, result.changed)}"
    return f"{said}, not {len(result.failed)}: {result.failed[0][1]}" if result.failed else said
