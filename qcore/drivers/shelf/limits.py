"""The limits by which jobs on the shelf may start."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from qcore import limits as limiting
from qcore.envelope import Start
from qcore.limits import Ruling, Slot, State
from qcore.records import LimitPage, LimitRecord


class Limits:
    """What is known of each limit, and what jobs were promised. Whoever calls a method holds the shelf's lock."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._slots: dict[str, Slot] = {}

    def start(self, start: Start, now_us: int) -> Ruling:
        """Let a job start by all its limits, or promise it a slot."""
        states = [limiting.fitting(limit, self._states.get(limit.key)) for limit in start.limits]
        slot = self._slots.pop(start.id, None)
        ruling = limiting.rule(start.limits, states, slot, now_us, ahead=start.ahead)
        self._states.update(zip((limit.key for limit in start.limits), states, strict=True))
        if ruling.slot is not None:
            self._slots[start.id] = ruling.slot
        return ruling

    def give_back(self, ids: Iterable[str]) -> None:
        """Let others have the slots of jobs that will not come for them."""
        gone = [slot for job_id in ids if (slot := self._slots.pop(job_id, None)) is not None]
        self._replan({key for slot in gone for key in slot.keys})

    def lift(self, key: str) -> list[str]:
        """Give back all slots of a limit that holds no more; returns whose it were, of those that wait for it alone."""
        held = {job_id: slot for job_id, slot in self._slots.items() if key in slot.keys}
        alone = [job_id for job_id, slot in held.items() if slot.keys == (key,)]
        for job_id, slot in held.items():
            self._slots[job_id] = slot._replace(keys=tuple(one for one in slot.keys if one != key))
        for job_id in alone:
            del self._slots[job_id]
        self._replan({key})
        return alone

    def _replan(self, keys: set[str]) -> None:
        for key in keys & self._states.keys():
            slots = (slot.at_us for slot in self._slots.values() if key in slot.keys)
            limiting.replan(self._states[key], slots)

    def page(self, cursor: str | None, limit: int, now_us: int) -> LimitPage:
        """List them, by key."""
        after = [key for key in self._states if key > (cursor or "")]
        shown = nsmallest(limit, after)
        records = tuple(LimitRecord.of(key, self._states[key], now_us) for key in shown)
        return LimitPage(records, now_us, shown[-1] if len(after) > len(shown) else None)

    def forget_over(self, now_us: int) -> None:
        """Forget what does not matter any more."""
        for key in [key for key, state in self._states.items() if limiting.over_us(state) <= now_us]:
            del self._states[key]
        for job_id in [job_id for job_id, slot in self._slots.items() if slot.is_over(now_us)]:
            del self._slots[job_id]
