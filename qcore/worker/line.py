"""The way from a supervisor to one store: what is asked when, and for how long after it did not answer nothing is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from qcore.config import ConnectionSettings
from qcore.errors import ConnectionFailed
from qcore.worker.courier import Answer
from qcore.worker.errands import Beat, Dismiss, Errand, Forfeit
from qcore.worker.outage import Outage

BEATS_A_TERM = 3
LOOKS_A_TERM = 5
"""How often in a lease term the jobs of others are looked for that lost their leases."""

Give = Callable[[str, Errand], int]
Arrived = Callable[[float, Mapping[str, Mapping[str, bool]]], object]
"""Told of a beat that arrived: when it was given, and by worker which jobs somebody cancelled, and which hard."""


def _ignore(*_: object) -> None:
    """Do nothing about it."""


class _UnderWay(NamedTuple):
    errand: Errand
    given_at: float
    then: Callable[[Any], object]
    lost: Callable[[], object]


class Line:
    """One connection as a supervisor uses it. Nothing here waits for an answer.

    Args:
        settings: of the connection.
        give: lets an errand be run on a connection; returns its number, or raises `OSError`.
        outage: told of what does not answer; it knows the pauses.
    """

    def __init__(self, settings: ConnectionSettings, give: Give, outage: Outage) -> None:
        self.name = settings.name
        self._lease_s = settings.lease_s
        self._give = give
        self._outage = outage
        self._under_way: dict[int, _UnderWay] = {}
        self._forfeits: dict[str, dict[str, str]] = {}
        self._dismissals: list[str] = []
        self._is_down = False
        self._not_before = 0.0
        self._next_beat = 0.0
        self._next_look = 0.0
        self._beaten_at = 0.0
        self._unbroken_since: float | None = None
        """When the first beat of an unbroken row was given; None while there is none."""

    # -- asking --------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the store may be asked now: after a failure by one errand at a time, and after a pause."""
        return time.monotonic() >= self._not_before and not (self._is_down and self._under_way)

    def is_asking(self, kind: type) -> bool:
        """Whether an errand of this kind is under way."""
        return any(isinstance(one.errand, kind) for one in self._under_way.values())

    @property
    def is_owing(self) -> bool:
        """Whether something of the dead is still to be given back, or taken off the registry."""
        is_asking = self.is_asking(Forfeit) or self.is_asking(Dismiss)
        return bool(self._forfeits or self._dismissals) or is_asking

    @property
    def waits_since(self) -> float:
        """When the oldest errand under way was given, in monotonic seconds; now, if there is none."""
        return min((one.given_at for one in self._under_way.values()), default=time.monotonic())

    def ask(
        self, errand: Errand, then: Callable[[Any], object] = _ignore, lost: Callable[[], object] = _ignore
    ) -> None:
        """Let an errand be run; `then` is told the answer, or `lost` that none came."""
        now = time.monotonic()
        try:
            number = self._give(self.name, errand)
        except OSError as error:
            self._failed(f'connection "{self.name}": no process could be made to ask it: {error}')
            lost()
            return
        self._under_way[number] = _UnderWay(errand, now, then, lost)

    def hurry(self) -> None:
        """Let the next beat be due."""
        self._next_beat = 0.0

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> None:
        """Give back all that a dead worker held, now or as soon as the store answers."""
        self._forfeits[worker] = dict(charged)

    def dismiss(self, worker: str) -> None:
        """Take a worker off the registry, where the store answers."""
        self._dismissals.append(worker)

    def settle(self) -> None:
        """Ask for what is owed to the dead, if the store may be asked."""
        while self._forfeits and self.is_open:
            worker, charged = self._forfeits.popitem()
            self.ask(Forfeit(worker, charged), lost=partial(self.forfeit, worker, charged))
        if self._dismissals and self.is_open:
            workers, self._dismissals = tuple(self._dismissals), []
            self.ask(Dismiss(workers), lost=partial(self._dismissals.extend, workers))

    def turn(self, prepare: Callable[[], tuple[Beat, Arrived]]) -> None:
        """Do what is due: beat, settle with the dead, look for what others lost.

        Args:
            prepare: makes a beat, and what is told when it arrived.
        """
        now = time.monotonic()
        looks = now >= self._next_look and self._may_reclaim(now)
        if (looks or now >= self._next_beat) and self.is_open and not self.is_asking(Beat):
            beat, arrived = prepare()
            if looks:
                self._next_look = now + self._lease_s / LOOKS_A_TERM
            self.ask(msgspec.structs.replace(beat, reclaims=looks), partial(self._beaten, now, arrived))
        self.settle()

    # -- answers -------------------------------------------------------------------------------------------------

    def take(self, answer: Answer) -> bool:
        """Take in an answer; whether it was one to an errand of this line."""
        one = self._under_way.pop(answer.number, None)
        if one is None:
            return False
        if answer.trouble is not None:
            self._failed(answer.trouble)
            one.lost()
        else:
            self._is_down = False
            self._outage.answered(self.name)
            one.then(answer.value)
        return True

    def drop(self) -> None:
        """Forget what is under way: nobody will answer."""
        dropped, self._under_way = self._under_way, {}
        for one in dropped.values():
            one.lost()

    def _failed(self, text: str) -> None:
        now = time.monotonic()
        self._unbroken_since = None
        self._is_down = True
        if now < self._not_before:  # one of several that failed together
            return
        self._outage.failed(self.name, ConnectionFailed(text))
        pause_s = min(self._outage.pause_of(self.name), self._lease_s / BEATS_A_TERM)
        self._not_before = self._next_beat = now + pause_s

    def _beaten(self, given_at: float, arrived: Arrived, cancelled: Mapping[str, Mapping[str, bool]]) -> None:
        """Go on with the row of beats; one that comes a term late, after a sleep of this process, begins a new one."""
        late_s = max(given_at - self._beaten_at, time.monotonic() - given_at)
        if self._unbroken_since is None or late_s > self._lease_s:
            self._unbroken_since = given_at
        self._beaten_at = given_at
        self._next_beat = given_at + self._lease_s / BEATS_A_TERM
        arrived(given_at, cancelled)

    def _may_reclaim(self, now: float) -> bool:
        """Whether the beats of a whole term arrived unbroken: so the store was there for all who live."""
        if self._unbroken_since is None:
            return False
        return self._beaten_at - self._unbroken_since >= self._lease_s and now - self._beaten_at < self._lease_s
