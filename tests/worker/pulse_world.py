"""A pulse of which time and stores obey the test."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from qcore.config import ConnectionSettings
from qcore.envelope import Lease
from qcore.errors import ConnectionFailed
from qcore.records import WorkerCommand, WorkerRecord
from qcore.worker import pulse as module
from qcore.worker.children import Child, Duty
from qcore.worker.courier import Answer
from qcore.worker.errands import Report
from qcore.worker.pulse import Pulse
from qcore.worker.slots import Holding, SlotMemory

STEP_S = 0.25
TERM_S = 15.0


class Clock:
    """Time as a pulse sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


class Reachable:
    """A store that notes what it is asked, and is silent when told so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[tuple[str, float]] = []
        self.given: list[tuple[str, tuple[Any, ...]]] = []
        self.cancelled: dict[str, bool] = {}
        self.commands: list[WorkerCommand] = []
        """Left for somebody, and not taken yet."""
        self.silent: set[str] = set()
        """Verbs that are not answered; `*` for all."""

    def times(self, verb: str) -> list[float]:
        return [at for name, at in self.asked if name == verb]

    def said(self, verb: str) -> list[tuple[Any, ...]]:
        return [words for name, words in self.given if name == verb]

    def ping(self) -> float:
        self._note("ping")
        return 0.0

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Any = ()) -> dict[str, bool]:
        self._note("heartbeat", worker, [lease.id for lease in leases], set(started))
        return {lease.id: self.cancelled[lease.id] for lease in leases if lease.id in self.cancelled}

    def reclaim(self) -> list[str]:
        self._note("reclaim")
        return []

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        self._note("forfeit", worker, dict(charged))
        return 1

    def dismiss(self, workers: Sequence[str]) -> None:
        self._note("dismiss", *workers)

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        self._note("report", *workers)
        self.commands = [one for one in self.commands if one not in taken]
        return list(self.commands)

    def counts(self, queues: Sequence[str]) -> list[str]:
        self._note("counts", *queues)
        return [f"counts of {name}" for name in queues]

    def _note(self, verb: str, *words: Any) -> None:
        self.asked.append((verb, self._clock.now))
        if {verb, "*"} & self.silent:
            raise ConnectionFailed("it does not answer")
        self.given.append((verb, words))


class Messenger:
    """Runs errands here, at once; answers come with the next call."""

    def __init__(self, stores: Mapping[str, Any]) -> None:
        self.stores = stores
        self.loses = False
        """What the stores say to a report does not arrive."""
        self._answers: list[Answer] = []
        self._number = 0

    def give(self, connection: str, errand: Any) -> int:
        self._number += 1
        try:
            answer = Answer(self._number, errand(self.stores[connection]))
        except ConnectionFailed as error:
            answer = Answer(self._number, trouble=error.message)
        if self.loses and isinstance(errand, Report):
            answer = Answer(self._number, trouble="the process that asks the stores died")
        self._answers.append(answer)
        return self._number

    def answers(self) -> list[Answer]:
        answers, self._answers = self._answers, []
        return answers

    def wait(self, timeout_s: float) -> list[Answer]:
        return self.answers()

    def kill(self) -> None:
        raise AssertionError("nothing is stuck here")

    def close(self) -> None:
        self._answers = []


class World:
    """A pulse of which time and stores obey the test."""

    def __init__(self, clock: Clock, *names: str) -> None:
        self.clock = clock
        self.stores = {name: Reachable(clock) for name in names}
        self.told: list[str] = []
        self.memory = SlotMemory(2, 2)
        self.children: list[Child] = []
        self.messenger = Messenger(self.stores)
        self.pulse = self._pulse()

    def _pulse(self) -> Pulse:
        connections = [ConnectionSettings(name=name, driver="memory", url="memory://") for name in self.stores]
        return Pulse("supervisor", connections, self.told.append, ["fast"], lambda _: self.messenger)

    def become_another(self) -> None:
        """Let the supervisor become a new one, which inherits what it must."""
        legacy = self.pulse.inbox.legacy
        self.pulse = self._pulse()
        self.pulse.inbox.inherit(legacy)

    @property
    def store(self) -> Reachable:
        return next(iter(self.stores.values()))

    def child(self, worker: str = "worker", **held: list[str]) -> Child:
        """A child that has these leases in hand, by connection."""
        child = Child(len(self.children), self.memory.child(len(self.children)), os.getpid(), Duty(("fast",), "here"))
        if worker:
            child.slots.open(worker)
        child.slots.hold([Holding(name, f"{worker}/1", ids) for name, ids in held.items()])
        self.children.append(child)
        return child

    def live(self, seconds: float) -> list[WorkerCommand]:
        """Go on for so long; returns the commands that came."""
        commands: list[WorkerCommand] = []
        ends_at = self.clock.now + seconds
        while self.clock.now < ends_at:
            commands += self.pulse.beat(self.children)
            self.clock.now += STEP_S
        return commands
