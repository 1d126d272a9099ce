"""Which jobs a push stores, where some of them need unique locks: decided before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from qcore.drivers.base import ASK_AGAIN_US
from qcore.states import LockKind

if TYPE_CHECKING:
    from qcore.envelope import Envelope, Unique


class Holder(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who holds a lock, and since when."""

    owner: str
    first_us: int
    """When the first of those took it that replaced each other."""
    until_us: int | None = None
    is_waiting: bool = False
    """Whether it is a job that no worker has reserved, so that another may replace it."""

    def is_over(self, now_us: int) -> bool:
        """Whether its time has run out."""
        return self.until_us is not None and self.until_us <= now_us


class Decision(msgspec.Struct):
    """What is to be done with the envelopes of one push."""

    admitted: list[Envelope] = []
    """To be stored, with the due times they get; those that are replaced at once are among them."""
    refused: set[str] = set()
    replaced: dict[str, str] = {}
    """Ids to cancel once all are stored, by the id that replaces each."""
    taken: dict[str, Holder] = {}
    """The new holders, by key."""


def decide(envelopes: Iterable[Envelope], holders: dict[str, Holder], now_us: int) -> Decision:
    """Go through the envelopes in order, as if each were pushed by itself.

    Args:
        envelopes: none that is stored already.
        holders: of their keys, as far as they are held.
        now_us: the store's clock.
    """
    decision = Decision()
    for envelope in envelopes:
        unique = envelope.unique
        if unique is None:
            decision.admitted.append(envelope)
            continue
        holder = decision.taken.get(unique.key) or holders.get(unique.key)
        if holder is not None and holder.is_over(now_us):
            holder = None
        if holder is not None and not (unique.replaces and holder.is_waiting):
            decision.refused.add(envelope.id)
            continue
        if holder is not None:
            decision.replaced[envelope.id] = holder.owner
        first_us = now_us if holder is None else holder.first_us
        decision.admitted.append(_in_time(envelope, unique, first_us, now_us))
        decision.taken[unique.key] = Holder(
            owner=envelope.id, first_us=first_us, until_us=end_of(unique.for_us, now_us), is_waiting=True
        )
    return decision


def kind_of(unique: Unique) -> LockKind:
    """When the lock of such a job ends."""
    return LockKind.UNTIL_START if unique.until_start else LockKind.UNIQUE


def end_of(for_us: int, now_us: int) -> int | None:
    """When a lock taken now is over."""
    return now_us + for_us if for_us else None


def ask_again_us(until_us: int | None, now_us: int) -> int:
    """How long to wait before asking again for a key that another job holds."""
    return ASK_AGAIN_US if until_us is None else max(0, min(ASK_AGAIN_US, until_us - now_us))


def _in_time(envelope: Envelope, unique: Unique, first_us: int, now_us: int) -> Envelope:
    """Let it wait no longer than since the first of those it replaces."""
    if not unique.max_wait_us:
        return envelope
    due_us = now_us + envelope.delay_us if envelope.due_us is None else envelope.due_us
    return msgspec.structs.replace(envelope, due_us=min(due_us, first_us + unique.max_wait_us))
