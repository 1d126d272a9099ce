"""When a pool looks at its queues, and how old that is which it sees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from pulse_world import Messenger

from qcore.config import ConnectionSettings
from qcore.errors import ConnectionFailed
from qcore.records import QueueCounts
from qcore.worker.balance import BalanceOptions
from qcore.worker.children import Duty
from qcore.worker.group import Group
from qcore.worker.pulse import Pulse
from qcore.worker.scaling import Scaler

STEP_S = 0.25
COOLDOWN_S = 3.0


class Counted:
    """A store of which only the jobs that are due are known."""

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self.asked = 0
        self.is_silent = False

    def counts(self, queues: Sequence[str]) -> list[QueueCounts]:
        self.asked += 1
        if self.is_silent:
            raise ConnectionFailed("it does not answer")
        return [QueueCounts(name=name, pending=self.due.get(name, 0)) for name in queues]

    def ping(self) -> float:
        if self.is_silent:
            raise ConnectionFailed("it does not answer")
        return 0.0

    def reclaim(self) -> list[str]:
        return []

    def report(self, workers: Sequence[Any], taken: Sequence[Any] = ()) -> list[Any]:
        return []


class World:
    """A pool with a group for each queue, of which time and stores obey the test.

    Args:
        queues: where each lives.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **queues: str) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.stores = {name: Counted() for name in queues.values()}
        connections = [ConnectionSettings(name=name, driver="memory", url="memory://") for name in self.stores]
        self.pulse = Pulse("supervisor", connections, lambda _: None, [], lambda _: Messenger(self.stores))
        self.groups = {name: Group(Duty((name,), home), lambda _: 0, 1, refills=True) for name, home in queues.items()}
        options = BalanceOptions(min_processes=1, max_processes=10, max_shift=1)
        self.scaler = Scaler(self.groups, queues, options, COOLDOWN_S)

    def live(self, seconds: float) -> None:
        ends_at = self.now + seconds
        while self.now < ends_at:
            self.pulse.beat([])
            self.scaler.scale(self.pulse, self.now)
            self.now += STEP_S

    def wanted(self) -> dict[str, int]:
        return {name: group.wanted for name, group in self.groups.items()}


def test_a_look_sees_what_has_come_since_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, mail="here")
    world.live(1)
    world.stores["here"].due["mail"] = 1000
    world.live(COOLDOWN_S)
    assert world.wanted() == {"mail": 2}


def test_between_two_looks_the_store_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, mail="here")
    world.live(30)
    assert world.stores["here"].asked == 30 / COOLDOWN_S


def test_a_pool_on_two_stores_looks_at_both_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, mail="here", reports="there")
    world.live(1)
    for name, store in zip(("mail", "reports"), world.stores.values(), strict=True):
        store.due[name] = 1000
    world.live(COOLDOWN_S)
    assert world.wanted() == {"mail": 2, "reports": 2}


def test_while_one_of_two_stores_is_silent_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, mail="here", reports="there")
    world.live(1)
    for name, store in zip(("mail", "reports"), world.stores.values(), strict=True):
        store.due[name] = 1000
    world.stores["there"].is_silent = True
    world.live(90)
    assert world.wanted() == {"mail": 1, "reports": 1}
    assert world.stores["here"].asked <= 4
    world.stores["there"].is_silent = False
    world.live(10)
    assert min(world.wanted().values()) > 1
