"""What an operator dropped, kept for a while in case it is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from qcore.drivers.base import DROPPED_KEPT_S
from qcore.drivers.claims import Holder, end_of, kind_of
from qcore.records import Restored
from qcore.states import JobState, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qcore.drivers.shelf.entry import Entry
    from qcore.drivers.shelf.shelf import Shelf
    from qcore.envelope import Envelope


class Dropped:
    """Envelopes by the token under which they were dropped. Whoever calls a method holds the shelf's lock."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._kept: dict[str, tuple[int, dict[str, Envelope]]] = {}
        """Until when, and what, by token."""

    def keep(self, token: str | None, entries: Iterable[Entry], now_us: int) -> None:
        """Keep jobs that are about to be dropped; with no token, none."""
        self._forget_old(now_us)
        if token is None:
            return
        _, kept = self._kept.get(token, (0, {}))
        kept |= {entry.id: replace(entry.envelope, due_us=_due_us(entry, now_us)) for entry in entries}
        if kept:
            self._kept[token] = (now_us + DROPPED_KEPT_S * 1_000_000, kept)

    def restore(self, token: str, after: str, limit: int, now_us: int) -> Restored:
        """Bring back the first of a token that come after an id."""
        self._forget_old(now_us)
        _, kept = self._kept.get(token, (0, {}))
        looked_at = sorted(job_id for job_id in kept if job_id > after)[: limit + 1]
        ids, refused = [], []
        for job_id in looked_at[:limit]:
            reason = self._refusal(kept[job_id], now_us)
            if reason is not None:
                refused.append((job_id, reason))
                continue
            self._bring_back(kept.pop(job_id), now_us)
            ids.append(job_id)
        if not kept:
            self._kept.pop(token, None)
        return Restored(tuple(ids), tuple(refused), looked_at[limit - 1] if len(looked_at) > limit else None)

    def _refusal(self, envelope: Envelope, now_us: int) -> Refusal | None:
        if envelope.flow is not None:
            return Refusal.MEMBER
        if envelope.id in self._shelf.entries:
            return Refusal.TAKEN
        unique = envelope.unique
        is_locked = unique is not None and self._shelf.locks.holder(unique.key, now_us) is not None
        return Refusal.LOCKED if is_locked else None

    def _bring_back(self, envelope: Envelope, now_us: int) -> None:
        self._shelf.enter([envelope], now_us)
        unique = envelope.unique
        if unique is not None:
            holder = Holder(owner=envelope.id, first_us=now_us, until_us=end_of(unique.for_us, now_us))
            self._shelf.locks.take(unique.key, kind_of(unique), holder, now_us)

    def _forget_old(self, now_us: int) -> None:
        self._kept = {token: kept for token, kept in self._kept.items() if kept[0] > now_us}


def _due_us(entry: Entry, now_us: int) -> int:
    return now_us if entry.state is JobState.FAILED else entry.due_us
