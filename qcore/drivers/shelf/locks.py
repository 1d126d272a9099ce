"""The locks that jobs on the shelf hold."""

from __future__ import annotations

from collections import defaultdict
from heapq import nsmallest

from qcore.drivers.claims import Holder
from qcore.records import LockPage, LockRecord
from qcore.states import LockKind


class Locks:
    """Who holds which key. Whoever calls a method holds the shelf's lock."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Holder, LockRecord]] = {}
        self._keys: defaultdict[str, set[str]] = defaultdict(set)

    def holder(self, key: str, now_us: int) -> Holder | None:
        """Who holds a key; one whose time has run out is forgotten here."""
        held = self._held.get(key)
        if held is None:
            return None
        if held[0].is_over(now_us):
            self.free(key)
            return None
        return held[0]

    def take(self, key: str, kind: LockKind, holder: Holder, now_us: int) -> None:
        """Let a job hold a key, whoever did before."""
        self.free(key)
        record = LockRecord(key=key, kind=kind, owner=holder.owner, taken_us=now_us, until_us=holder.until_us)
        self._held[key] = (holder, record)
        self._keys[holder.owner].add(key)

    def free(self, key: str, owner: str | None = None) -> bool:
        """Free a key, whosever it is or only that job's; whether it was held."""
        held = self._held.get(key)
        if held is None or (owner is not None and held[0].owner != owner):
            return False
        del self._held[key]
        keys = self._keys[held[0].owner]
        keys.discard(key)
        if not keys:
            del self._keys[held[0].owner]
        return True

    def free_all(self, owner: str, *kinds: LockKind) -> None:
        """Free what a job holds, of these kinds or of all."""
        for key in tuple(self._keys.get(owner, ())):
            if not kinds or self._held[key][1].kind in kinds:
                self.free(key)

    def page(self, cursor: str | None, limit: int, now_us: int) -> LockPage:
        """List what is held, by key."""
        after = [key for key, (holder, _) in self._held.items() if not holder.is_over(now_us) and key > (cursor or "")]
        shown = nsmallest(limit, after)
        return LockPage(tuple(self._held[key][1] for key in shown), shown[-1] if len(after) > len(shown) else None)
