"""Every verb may be sent again: its reply is lost, the same call is made, and nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from fakes.flaky import FlakyDriver
from fakes.leases import let_pass
from fakes.registry import team
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed, handed_back, released
from fakes.worker import FakeWorker

from qcore.drivers.operator import Change
from qcore.envelope import Exclusive, Lease, Start, Unique
from qcore.errors import ConnectionFailed
from qcore.records import QueueDefinition, WorkerCommand


class Scene(NamedTuple):
    """A store with jobs in every state, in the hands of one worker."""

    driver: Any
    worker: FakeWorker
    leases: list[Lease]
    failed: list[str]
    completed: str
    waiting: list[str]
    commands: list[WorkerCommand]


Call = Callable[[Scene], Any]
NEW = envelopes(3, "new")
TEAM = team("team", 2)


def push(scene: Scene) -> Any:
    return scene.driver.push([*NEW, envelope(id=scene.waiting[0])], repeat=True)


UNIQUE = [
    envelope("new", unique=Unique(key="new")),
    envelope("new", unique=Unique(key="new")),
    envelope("new", unique=Unique(key="held")),
    envelope("new", unique=Unique(key="waits", replaces=True)),
]


def push_unique(scene: Scene) -> Any:
    return scene.driver.push(UNIQUE, repeat=True)


def start(scene: Scene) -> Any:
    held = Exclusive("one at a time")
    starts = [Start(id=lease.id, token=lease.token, lock=lease.lock, exclusive=held) for lease in scene.leases[3:]]
    return scene.driver.start([*starts, Start(id=scene.leases[0].id, token="stale")])


def reserve(scene: Scene) -> Any:
    return scene.driver.reserve(["default"], 2, scene.worker.name, 100)


def settle(scene: Scene) -> Any:
    ends = [completed, failed, released, cancelled, handed_back]
    settlements = [end(lease) for end, lease in zip(ends, scene.leases, strict=True)]
    settlements[0] = msgspec.structs.replace(settlements[0], pushes=tuple(NEW))
    return scene.driver.settle([*settlements, msgspec.structs.replace(settlements[0], token="stale")])


def settle_and_reserve(scene: Scene) -> Any:
    ends = [completed(lease) for lease in scene.leases[:3]]
    return scene.driver.settle_and_reserve(ends, ["default"], 1, scene.worker.name, 100)


def heartbeat(scene: Scene) -> Any:
    scene.driver.cancel([scene.leases[1].id])
    return scene.worker.heartbeat(scene.leases, [scene.leases[0].id])


def unread(call: Call) -> Call:
    """A call whose answer tells what this very call changed, so that a repeated one answers otherwise."""

    def called(scene: Scene) -> None:
        call(scene)

    return called


CALLS: dict[str, tuple[str, Call]] = {
    "push": ("push", push),
    "push unique": ("push", push_unique),
    "reserve": ("reserve", reserve),
    "start": ("start", start),
    "settle": ("settle", settle),
    "settle_and_reserve": ("settle_and_reserve", settle_and_reserve),
    "heartbeat": ("heartbeat", heartbeat),
    "define": ("define", lambda s: s.driver.define([QueueDefinition(name="default", max_jobs=9)])),
    "pause": ("pause", unread(lambda s: s.driver.pause("default", reason="why"))),
    "pause for a while": ("pause", unread(lambda s: s.driver.pause("default", for_s=HOUR_S))),
    "resume": ("resume", unread(lambda s: s.driver.resume("paused"))),
    "clear": ("clear", unread(lambda s: s.driver.clear("default"))),
    "retry": ("retry", unread(lambda s: s.driver.retry(s.failed))),
    "forget": ("forget", unread(lambda s: s.driver.forget(s.failed[:1]))),
    "flush": ("flush", unread(lambda s: s.driver.flush())),
    "cancel": ("cancel", unread(lambda s: s.driver.cancel([s.waiting[0], s.leases[0].id]))),
    "reseal": ("reseal", unread(lambda s: s.driver.reseal([Change(s.waiting[0], b"{}", b"new")]))),
    "reseal_results": (
        "reseal_results",
        unread(lambda s: s.driver.reseal_results([Change(s.completed, b"old", b"new")])),
    ),
    "take_lock": ("take_lock", lambda s: s.driver.take_lock("new", "job", 60_000_000)),
    "release_lock": ("release_lock", unread(lambda s: s.driver.release_lock("held"))),
    "progress": ("progress", lambda s: s.driver.progress(s.leases[0].id, 30, "note")),
    "report": ("report", lambda s: s.driver.report(TEAM)),
    "report what was taken": ("report", lambda s: s.driver.report(TEAM, s.commands)),
    "dismiss": ("dismiss", lambda s: s.driver.dismiss([TEAM[0].id])),
    "command": ("command", lambda s: s.driver.command("team", "restart")),
    "migrate": ("migrate", unread(lambda s: s.driver.migrate())),
    "close": ("close", lambda s: s.driver.close()),
}


@pytest.fixture
def scene(driver: Any) -> Scene:
    flaky = FlakyDriver(driver)
    worker = FakeWorker(flaky)
    held, until_start = Unique(key="held"), Unique(key="until start", until_start=True)
    driver.push([*envelopes(3), envelope(unique=held), envelope(unique=until_start), *envelopes(3)])
    leases = list(worker.reserve(8))
    driver.settle([*(failed(lease) for lease in leases[5:7]), completed(leases[7], result=b"old")])
    waiting = [*envelopes(3), envelope(delay_s=HOUR_S), envelope(delay_s=HOUR_S, unique=Unique(key="waits"))]
    driver.push(waiting)
    driver.pause("paused")
    driver.report(TEAM)
    driver.command("team", "pause")
    driver.command("team", "restart")
    commands = list(driver.report(TEAM))
    ended = [lease.id for lease in leases[5:]]
    return Scene(flaky, worker, leases[:5], ended[:2], ended[2], [job.id for job in waiting], commands)


def everything(scene: Scene) -> Any:
    """All that a reader sees, but for the instant at which a repeated pause ends."""
    ids = [lease.id for lease in scene.leases] + [*scene.failed, scene.completed] + scene.waiting
    ids += [job.id for job in NEW + UNIQUE]
    counts = [msgspec.structs.replace(found, paused_until_us=None) for found in scene.driver.counts()]
    locks = [(lock.key, lock.owner) for lock in scene.driver.locks().locks]
    return counts, locks, [scene.driver.find(job_id) for job_id in ids]


def plain(answer: Any) -> Any:
    """An answer whose sequences are lists, whatever the driver makes them."""
    return [plain(part) for part in answer] if isinstance(answer, (list, tuple)) else answer


@pytest.mark.parametrize("name", CALLS)
def test_a_reply_that_was_lost(scene: Scene, name: str) -> None:
    verb, call = CALLS[name]
    scene.driver.cut(verb)
    with pytest.raises(ConnectionFailed):
        call(scene)
    once = everything(scene)
    answer = call(scene)
    assert everything(scene) == once
    assert plain(answer) == plain(scene.driver.lost[verb] if answer is not None else None)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_was_lost(scene: Scene, name: str) -> None:
    verb, call = CALLS[name]
    if verb == "heartbeat":
        scene.driver.cancel([scene.leases[1].id])
    before = everything(scene)
    scene.driver.cut(verb, before=True)
    with pytest.raises(ConnectionFailed):
        call(scene)
    assert everything(scene) == before
    call(scene)


def test_a_reclaim_whose_reply_was_lost(store: StoreUnderTest) -> None:
    driver = FlakyDriver(store.open(lease_s=0.05))
    driver.push(envelopes(2))
    worker = FakeWorker(driver)
    leases = worker.reserve()
    worker.heartbeat(leases, [leases[0].id])
    let_pass(driver, 0.1)
    driver.cut("reclaim")
    with pytest.raises(ConnectionFailed):
        driver.reclaim()
    assert list(driver.reclaim()) == []
    again = {lease.id: (lease.attempts, lease.crashes, lease.reclaims) for lease in worker.reserve()}
    assert again == {leases[0].id: (1, 1, 0), leases[1].id: (0, 0, 1)}


def test_a_driver_that_was_closed_opens_anew(driver: Any) -> None:
    driver.push([envelope()])
    driver.close()
    driver.close()
    assert len(FakeWorker(driver).reserve()) == 1
    driver.wait(["default"], 0.01)
