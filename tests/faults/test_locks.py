"""T21, and the part of T5 that is about them: unique locks, while processes and stores die."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from harness.audit import Attempt, attempts
from harness.failpoints import Step
from harness.hosts import Host
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import count, seconds
from harness.waiting import until
from key_jobs import Ends, Keyed, OfQueue, Waiting
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from qcore import Job, QueueError

_PAUSE_S = 0.2
"""Between two kills."""
_PRODUCERS = 20
_BREATH_S = 0.05
"""Between two dispatches of one producer."""
_PATIENCE_S = 20.0
"""How much longer a producer goes on that nobody has refused yet: the machine may be busy."""
_UNSETTLED = 4 * 12
"""Ends that wait to be settled when the store goes: four workers, a few milliseconds each."""
_TIMES = count(10)
"""Deaths at each single step of a dispatch."""
_ENDS = ("completes", "fails", "gives up", "deletes itself", "dies", *Ends.SLOW)
_CANCELLED = {"heeds": False, "waits": True}
"""What runs when it is cancelled, and whether it is to be interrupted."""


def test_t21_unique_lock(rig: Rig) -> None:
    """Many dispatch few keys while workers and stores die: a key never has two live jobs, and all are free at last."""
    host = rig.host("--processes", "4", serving=4)
    keys = [f"key {number}" for number in range(count(100, least=10))]
    owners: dict[str, str] = {}
    kills, restarts = count(150, least=8), count(6)
    is_over = threading.Event()

    def produce(number: int) -> int:
        refused, patience = 0, time.monotonic() + _PATIENCE_S
        while not is_over.is_set() or (not refused and time.monotonic() < patience):
            key = keys[(number + refused + len(owners)) % len(keys)]
            job = Keyed(key, 0.01 + 0.01 * (number % 3), fails=number % 4 == 0)
            refused += _dispatched(rig, job, owners) is False
            time.sleep(_BREATH_S)
        return refused

    with ThreadPoolExecutor(_PRODUCERS) as threads:
        producing = [threads.submit(produce, number) for number in range(_PRODUCERS)]
        try:
            for number in range(restarts):
                _kill_children(rig, host, kills // (restarts + 1))
                host = _restart(rig, host, crashes=number % 2 == 0)
                rig.noted("start", since=time.monotonic(), within_s=30)
            _kill_children(rig, host, kills // (restarts + 1))
        finally:
            is_over.set()
        assert sum(one.result() for one in producing), "nobody was refused: the test proves nothing"
    rig.drained(within_s=60)
    rig.settled(within_s=30)
    one_after_another(attempts(rig.ledger), owners)
    _all_are_free(rig, [partial(Keyed, key, 0.0) for key in keys], owners)
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict(repeats=len(rig.ledger.faults("kill")) + _UNSETTLED * restarts)


def test_t21_every_end_frees_the_key(rig: Rig, gone: type[Job]) -> None:
    """However the holder ends, its key is free as soon as the store says that it has ended, and not before."""
    rig.connection.pause("default")
    owners: dict[str, str] = {}
    ends = [partial(Ends, way, way) for way in (*_ENDS, *_CANCELLED)]
    ends += [partial(gone, "no class")]
    ids = _taken(rig, ends, owners)
    rig.host("--processes", "3", serving=3)
    rig.connection.resume("default")
    for job_id, hard in zip(ids[len(_ENDS) :], _CANCELLED.values(), strict=False):
        until(lambda job_id=job_id: job_id in rig.ledger.ids("start"), 20, "it runs")  # type: ignore[misc]  # bound now
        assert not rig.connection.cancel([job_id], hard=hard), "a job that runs is not over yet"
    again = [partial(Ends, way) for way in (*_ENDS, *_CANCELLED)] + [partial(gone, "no class")]
    for job_id, make in zip(ids, again, strict=True):
        rig.ended(job_id)
        assert _dispatched(rig, make(), owners), f"{owners[job_id]}: the key is not free at once"
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict(repeats=_UNSETTLED, kills=2)  # a process that ends takes with it what the others had not settled


def test_t21_waiting_holder(rig: Rig) -> None:
    """One that waits is cancelled, or cleared with its queue: its key is free at once."""
    owners: dict[str, str] = {}
    waiting = [partial(_on, "unserved", Ends(key)) for key in ("cancelled", "cleared")]
    cancelled, cleared = _taken(rig, waiting, owners)
    assert list(rig.connection.cancel([cancelled])) == [cancelled]
    assert _dispatched(rig, Ends("cancelled"), owners)
    assert not _dispatched(rig, waiting[1](), owners)
    assert rig.connection.clear("unserved") == 1
    assert _dispatched(rig, Ends("cleared"), owners)
    rig.host("--queue", "default,unserved")
    rig.ledger.noted("cancelled", [cleared])  # what an operator drops counts nowhere
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict(forgotten=[cleared])


def test_t21_rollback(rig: Rig) -> None:
    """What was to be dispatched after a commit, or within one, that never comes: no lock of it is left."""
    owners: dict[str, str] = {}
    rig.connection.counts()  # makes the tables
    for name, engine in _engines(rig):
        for end in ("rollback", "close"):
            job = Keyed(f"{name} {end}", 0.0)
            job.after_commit = name == "elsewhere"
            with Session(engine) as session:
                assert rig.manager.dispatch([job], session=session) == [job._id]
                getattr(session, end)()
            assert job.key not in _held(rig), f"{name}, {end}"
            assert _dispatched(rig, Keyed(job.key, 0.0), owners), f"{name}, {end}: the key is not free at once"
        job = Keyed(f"{name} commit", 0.0)
        job.after_commit = name == "elsewhere"
        with Session(engine) as session:
            rig.manager.dispatch([job], session=session)
            session.commit()
        rig.ledger.dispatched([str(job._id)])
        assert not _dispatched(rig, Keyed(job.key, 0.0), owners), f"{name}: it was committed, and holds its lock"
        engine.dispose()
    rig.host()
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict()


def test_t21_until_processing(rig: Rig) -> None:
    """The lock is free exactly when the job starts, also where that is its second start.

    The next job of the key waits where nobody serves it yet: it might begin before the first is back, and rightly.
    """
    gate = rig.folder / "gate"
    owners: dict[str, str] = {}
    assert _dispatched(rig, Waiting("key", str(gate)), owners)
    assert not _dispatched(rig, Waiting("key", str(gate)), owners), "it has not started yet"
    host = rig.host()
    rig.noted("start")
    assert rig.connection.locks().locks == ()
    assert _dispatched(rig, _on("following", Waiting("key", str(gate))), owners)
    assert not _dispatched(rig, Waiting("key", str(gate)), owners)
    rig.kill(host.child(rig.chance))
    rig.noted("start", 2)
    assert len(rig.connection.locks().locks) == 1, "the second start of the first job freed the lock of the next"
    gate.touch()
    rig.host("--queue", "following")
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    assert rig.connection.locks().locks == ()
    rig.verdict(repeats=1)


def test_t5_kill_inside_dispatch_of_a_unique_job(rig: Rig) -> None:
    """At each single step: there is the job and its lock, or neither."""
    plan, following_it = rig.plan([])
    rig.connection.counts()  # makes the tables
    unique: dict[str, Any] = {"job": "key_jobs:OfQueue"}
    rig.producer(Spec(**unique, options={"queue": "whole"}, forks=1), **following_it).wait()
    last = plan.passed["push.step"]
    once = [Step("push.before"), Step("push.after"), *(Step("push.step", number + 1) for number in range(last))]
    steps = once * _TIMES
    plan.write(steps)
    rig.producer(Spec(**unique, options={"queue": "cut"}, forks=len(steps)), **following_it).wait(1500)
    assert len(plan.deaths) == len(steps), "each step was somebody's last one"
    stored = {one.name for one in rig.connection.counts() if one.pending}
    holders = _held(rig)
    queues = [f"cut-{number}" for number in range(len(steps))]
    for queue, step in zip(queues, steps, strict=True):
        assert (queue in holders) == (queue in stored), f"after a death at {step}: a lock, or a job, without the other"
    owners: dict[str, str] = {}
    for queue in queues:
        again = _dispatched(rig, _on(queue, OfQueue()), owners, key=queue)
        assert bool(again) == (queue not in stored), f"{queue}: a key is free if, and only if, no job holds it"
    for queue in queues[len(once) :]:
        rig.connection.clear(queue)  # as many jobs run as all of one round, however many rounds there were
    rig.ledger.noted("cancelled", dropped := {one for one, queue in owners.items() if queue in queues[len(once) :]})
    rig.host("--queue", ",".join(["whole-0", *queues[: len(once)]]))
    rig.drained(within_s=60)
    rig.settled(within_s=60)
    rig.verdict(kills=len(plan.deaths), forgotten=dropped)


@pytest.fixture
def gone() -> Iterator[type[Job]]:
    """A class that is importable here, and nowhere else."""
    module = ModuleType("gone_jobs")
    module.Gone = type("Gone", (Keyed,), {"__module__": module.__name__})  # type: ignore[attr-defined]  # made just now
    module.Gone.__init__ = lambda self, key: Keyed.__init__(self, key, 0.0)
    sys.modules[module.__name__] = module
    yield module.Gone
    del sys.modules[module.__name__]


def one_after_another(runs: dict[str, list[Attempt]], owners: dict[str, str]) -> None:
    """Of the jobs of a key, all attempts of one are over before the first of another begins."""
    of_key: defaultdict[str, list[Attempt]] = defaultdict(list)
    for job_id, job in runs.items():
        of_key[owners[job_id]] += job
    for key, some in of_key.items():
        for one, following in pairwise(sorted(some, key=lambda run: run.began_at)):
            assert one.over_at is not None, f"{one} was cut off, and nobody says when"
            assert one.over_at <= following.began_at, f"{key}: {one} and {following} ran at once"


def _dispatched(rig: Rig, job: Job, owners: dict[str, str], key: str | None = None) -> bool | None:
    """Whether a job was stored (None: nobody knows); it is noted then, and its key."""
    owned = str(key or job.key)  # type: ignore[attr-defined]  # jobs of `key_jobs`
    try:
        (job_id,) = rig.manager.dispatch([job])
    except QueueError as error:
        owners[str(job._id)] = owned
        rig.ledger.dispatched([str(job._id)], "raised", f"{type(error).__name__}: {error}")
        return None
    if job_id is not None:
        owners[job_id] = owned
        rig.ledger.dispatched([job_id])
    return job_id is not None


def _taken(rig: Rig, makers: Sequence[partial[Job]], owners: dict[str, str]) -> list[str]:
    """Dispatch one of each, and see each key refused after that; returns the ids."""
    for make in makers:
        assert _dispatched(rig, make(), owners)
        assert not _dispatched(rig, make(), owners), f"{make}: its key is held"
    return list(owners)


def _held(rig: Rig) -> set[str]:
    """What the keys that are held are called in their classes."""
    return {lock.key.rpartition(":")[2] for lock in rig.connection.locks(limit=1000).locks}


def _all_are_free(rig: Rig, makers: Sequence[partial[Job]], owners: dict[str, str]) -> None:
    assert rig.connection.locks().locks == ()
    for make in makers:
        assert _dispatched(rig, make(), owners), f"{make}: its key is not free at once"


def _on(queue: str, job: Job) -> Job:
    job.on_queue(queue)
    return job


def _engines(rig: Rig) -> Iterator[tuple[str, Engine]]:
    """The caller's own database, and the store itself where that is one."""
    yield "elsewhere", create_engine("sqlite://")
    if rig.connection.capabilities.transactional:
        yield "the store", create_engine(rig.store.url)


def _kill_children(rig: Rig, host: Host, number: int) -> None:
    for _ in range(number):
        rig.kill(host.child(rig.chance))
        time.sleep(_PAUSE_S)


def _restart(rig: Rig, host: Host, *, crashes: bool) -> Host:
    """Let the store go and come back; of a file all who work on it die. Returns the host that works from here on."""
    if rig.store.name == "sqlite":
        rig.kill_host(host)
        return rig.host("--processes", "4", serving=1)
    rig.ledger.fault("crash" if crashes else "stop")
    if crashes:
        rig.store.crash()
    else:
        rig.store.stop()
    time.sleep(seconds(5, least=0.3))
    rig.store.start()
    return host
