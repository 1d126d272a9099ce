"""T24: everybody wants the store at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from fakes.values import completed, envelopes, handed_back, released
from fakes.worker import FakeWorker
from harness import reclaims
from harness.hooks import HOOKS
from harness.rig import Rig
from harness.scale import LEASE_S, count, seconds
from harness.stores import only_on
from harness.waiting import until
from wild_jobs import Pushes, PushesQuietly

from qcore.config import load_settings
from qcore.drivers import open_store

_MANY = 16
_SHARE = 0.5
"""Of what one process achieves, so much is left at least when sixteen share one file."""
_LOCK_WORDS = ("locked", "deadlock", "40P01", "40001", "1213", "serializ", "Traceback", "lease was lost")
_ROUNDS = count(200, least=20)
_CROSSERS = 6
_QUEUES = ["one", "two", "three"]


def test_t24_many_push_and_work(rig: Rig) -> None:
    """Every process dispatches, one job at a time, while all work: no lock is ever a user's business."""
    rig.configure(lease_s=LEASE_S)  # with the timeout that users have
    flags = ("--processes", "16") if rig.store.name == "sqlite" else ("--processes", "8", "--threads", "8")
    host = rig.host(*flags, serving=int(flags[1]), **{HOOKS: reclaims.__name__})
    each = count(1000 if rig.store.name == "sqlite" else 500, least=20)
    rig.dispatch([Pushes(each) for _ in range(_MANY)])
    rig.drained(within_s=60 + seconds(1200))
    rig.settled(within_s=60)
    assert not rig.ledger.raised(), f"{len(rig.ledger.raised())} dispatches failed"
    said = [word for word in _LOCK_WORDS if word in host.log]
    assert not said, f"the host speaks of {said}:\n{host.log}"
    starved = rig.ledger.events("reclaimed")
    assert not starved, f"nobody kept the leases of {len(starved)} jobs: heartbeats starve"
    rig.verdict()


@only_on("sqlite")
def test_t24_share_of_one(rig: Rig) -> None:
    """Sixteen processes that push into one file and work on it do not starve each other."""
    each = count(1000, least=300)
    alone = _per_second(rig, 1, 6 * each)
    together = _per_second(rig, _MANY, each)
    assert together >= _SHARE * alone, f"{together:.0f} jobs a second together, {alone:.0f} by one alone"


def test_t24_crossed_settlements(rig: Rig) -> None:
    """Several workers settle jobs of the same queues in opposite orders, push into them, beat, reclaim and pause."""
    rig.configure(lease_s=LEASE_S)
    settings = load_settings({}, environ={"QCTL_URL": rig.store.url}, config_file=rig.folder / "qctl.toml")
    over = threading.Event()
    with ExitStack() as opened, ThreadPoolExecutor(_CROSSERS + 2) as threads:
        stores: list[Any] = [
            opened.enter_context(closing(open_store(settings.connection()))) for _ in range(_CROSSERS + 2)
        ]
        stores[0].push([job for queue in _QUEUES for job in envelopes(40, queue)])
        besides = [
            threads.submit(_until, over, act) for act in (partial(_reclaim, stores[-1]), partial(_pause, stores[-2]))
        ]
        crossing = [threads.submit(_cross, store, number) for number, store in enumerate(stores[:_CROSSERS])]
        done = sum(one.result(timeout=120) for one in crossing)
        over.set()
        assert all(one.result(timeout=30) > 0 for one in besides)
        assert done > 0
        counted = sum(one.completed for one in stores[0].counts())
        assert counted == done, f"{done} ends were accepted, {counted} are counted"


def _per_second(rig: Rig, processes: int, each: int) -> float:
    """Let each process of a host push jobs and work on them; returns how many ended a second. No books are kept."""
    host = rig.host("--processes", str(processes), serving=processes)
    before = _completed(rig)
    number = processes * (each + 1)
    began = time.monotonic()
    rig.manager.dispatch([PushesQuietly(each) for _ in range(processes)])
    until(lambda: _completed(rig) - before >= number, 120, f"{number} jobs end", every_s=0.02)
    took_s = time.monotonic() - began
    assert _completed(rig) - before == number, f"a dispatch failed, and its job pushed again:\n{host.log}"
    assert host.terminate() == 0
    return number / took_s


def _completed(rig: Rig) -> int:
    return sum(one.completed for one in rig.connection.counts())


def _cross(store: Any, number: int) -> int:
    """Work as a worker does, with the queues in an order of its own; returns how many completed ends were accepted."""
    chance = random.Random(number)
    order = _QUEUES[number % 3 :] + _QUEUES[: number % 3]
    worker = FakeWorker(store, *(order if number % 2 else reversed(order)))
    accepted = 0
    for _ in range(_ROUNDS):
        leases = list(worker.reserve(12))
        chance.shuffle(leases)
        worker.heartbeat(leases, [lease.id for lease in leases[::2]])
        pushes = tuple(job for queue in order for job in envelopes(1, queue))
        ends = [completed(lease, pushes=pushes if not at else ()) for at, lease in enumerate(leases[:4])]
        ends += [released(lease) for lease in leases[4:8]] + [handed_back(lease) for lease in leases[8:]]
        chance.shuffle(ends)
        refused = {end.token + end.id for end in store.settle(ends)}
        accepted += sum(end.token + end.id not in refused for end in ends if end.outcome.value == "completed")
    return accepted


def _until(over: threading.Event, act: Callable[[], object]) -> int:
    times = 0
    while not over.is_set():
        act()
        times += 1
    return times


def _reclaim(store: Any) -> None:
    store.reclaim()
    store.counts()


def _pause(store: Any) -> None:
    for queue in _QUEUES:
        store.pause(queue)
        store.resume(queue)
