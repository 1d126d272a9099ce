"""T13 to T16: jobs that hold everything up, never end, or take their process with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

from harness import stillborn
from harness.audit import attempts
from harness.fault_jobs import Hangs, Sleeps, SleepsAsync
from harness.hooks import HOOKS
from harness.rig import Rig
from harness.scale import LEASE_S, count, leases, seconds
from harness.waiting import until
from wild_jobs import WAYS, Blocks, BlocksTheLoop, Deadlocks, HoldsTheGIL, Loops, Poison, Swallows, SwallowsAsync

from qcore import Job
from qcore.records import StoredJob, unpack_history
from qcore.states import JobState

_TIMEOUT_S = seconds(2, least=0.5)
_HARD_GRACE_S = 2.0
_BESIDE_S = _TIMEOUT_S + 3.0
"""Those beside one that hangs still run when its process is ended."""
_LOOK_S = 1.5
"""The supervisor looks four times a second; then a new process begins, on a busy machine."""
_PAUSES_S = (0.0, 0.5, 1.0, 2.0)
"""The first successor of a worker that died at once comes at once, the next ones ever later."""
_BIRTH_S = 1.0
"""The supervisor looks four times a second; then a process is made, on a busy machine."""
_SERVES_S = 3.0
"""Seconds beyond a pause in which the successor is born and its first job begins, beside three other tests."""
_MEMORY_MB = 200
_LAST_WORDS = {
    "segfault": "signal 11",
    "os._exit": "code 3",
    "sys.exit": "4",
    "kill": "signal 9",
    "stack": "signal 11",
    "memory": "outgrew its memory",
    "limit": "",
}
_IS_CAUGHT = {"sys.exit", "limit"}
"""Python makes an exception of these: the process lives."""


def test_t13_held_gil(rig: Rig) -> None:
    """A process that gives no thread of its own a turn for four leases: its jobs stay its own."""
    held = leases(60 / 15)
    threads = rig.host("--processes", "2", "--threads", "2", "--queue", "threads", serving=2)
    loop = rig.host("--async", "4", "--queue", "loop")
    jobs = [HoldsTheGIL(held).on_queue("threads"), BlocksTheLoop(held).on_queue("loop")]
    ids = rig.dispatch(jobs)
    holders = {event.pid for event in rig.noted("start", 2)}
    began = time.monotonic()
    until(lambda: _is_shown(rig, set(ids)), 10, "the workers' list shows them as running")
    siblings = [Sleeps(0.01).on_queue("threads") for _ in range(30)]
    longest_s = _time_to_run(rig, siblings)
    assert longest_s < min(held, 5.0), f"siblings in another process took {longest_s:.1f} s"
    assert not rig.connection.reclaim()
    rig.drained(within_s=held + 20)
    rig.settled(within_s=20)
    assert time.monotonic() - began > held - 1, "they held everything up as long as they were told"
    assert holders <= {*threads.children(), *loop.children()}, "nobody was ended for that"
    _ran_once(rig, ids)
    rig.verdict()


def test_t14_longer_than_retry_after(rig: Rig) -> None:
    """Five times as long, with a host beside it that would take it over."""
    rig.configure(lease_s=LEASE_S, timeout_s=2.0, retry_after=LEASE_S / 3)
    rig.host("--processes", "2", serving=2)
    rig.host()
    ids = rig.dispatch([Hangs(LEASE_S / 3 * 5)])
    rig.noted("end", within_s=LEASE_S * 3 + 10)
    rig.drained(within_s=10)
    rig.settled(within_s=10)
    _ran_once(rig, ids)
    rig.verdict()


def test_t15_hang(rig: Rig) -> None:
    """In three ways, with jobs in hand behind each: every attempt ends in time, and nobody else pays."""
    host = rig.host("--processes", "2", serving=2)
    rig.dispatch([Sleeps() for _ in range(400)])  # so short that the workers learn to hold many
    rig.drained(within_s=30)
    hangs: list[Job] = [kind(_TIMEOUT_S) for kind in (Swallows, Deadlocks, Loops)]
    ids = rig.dispatch([*hangs, *(Sleeps() for _ in range(30))])
    rig.drained(within_s=30)
    rig.settled(within_s=20)
    longest_s = max(_hung(rig, one, is_soft=type(job) is Loops) for job, one in zip(hangs, ids[:3], strict=True))
    assert {_stored(rig, one).attempts for one in ids[len(hangs) :]} == {1}, "only the jobs that hung are charged"
    assert host.log.count("is ended") == 2, f"a process is ended if, and only if, it has to be:\n{host.log}"
    rig.verdict(recovery_s=longest_s, within_s=_TIMEOUT_S + _HARD_GRACE_S + _LOOK_S)


def test_t15_hang_of_a_coroutine(rig: Rig) -> None:
    """One that does not heed its cancellation: its process is ended, those beside it run again and pay nothing."""
    host = rig.host("--async", "4")
    (hang, *beside) = rig.dispatch([SwallowsAsync(_TIMEOUT_S), *(SleepsAsync(_BESIDE_S) for _ in range(3))])
    rig.noted("start", 4)
    rig.noted("failed")
    assert [_stored(rig, one).attempts for one in beside] == [0] * 3
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    assert {_stored(rig, one).attempts for one in beside} == {1}, "those beside it are not charged"
    assert host.log.count("is ended") == 1
    rig.verdict(recovery_s=_hung(rig, hang, is_soft=False), within_s=_TIMEOUT_S + _HARD_GRACE_S + _LOOK_S)


def test_t15_hang_of_a_thread(rig: Rig) -> None:
    """An exception ends the one that heeds it; for two that do not the process is ended, and nobody else pays."""
    host = rig.host("--threads", "5")
    soft, deaf, blocked, *beside = rig.dispatch(
        [Loops(_TIMEOUT_S), Swallows(_TIMEOUT_S), Blocks(_TIMEOUT_S), *(Hangs(_BESIDE_S) for _ in range(2))]
    )
    (pid,) = {event.pid for event in rig.noted("start", 5)}
    rig.noted("failed")
    assert pid in host.processes(), "the soft end of one is enough for that one"
    rig.noted("failed", 3)
    assert pid not in host.processes()
    assert [_stored(rig, one).attempts for one in beside] == [0] * 2
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    assert {_stored(rig, one).attempts for one in beside} == {1}, "those beside them are not charged"
    assert host.log.count("is ended") == 1
    took_s = [_hung(rig, soft, is_soft=True), *(_hung(rig, one, is_soft=False) for one in (deaf, blocked))]
    rig.verdict(recovery_s=max(took_s), within_s=_TIMEOUT_S + _HARD_GRACE_S + _LOOK_S)


def test_t16_poison(rig: Rig) -> None:
    """Each way to die, among good jobs: the good ones end, the bad ones fail with their reason, after three deaths."""
    host = rig.host("--processes", "2", "--memory-hard", str(_MEMORY_MB), serving=2)
    poison = [Poison(way, tries=0) for way in WAYS]
    poison += [Poison(way, tries=3) for way in rig.chance.sample([*WAYS], min(len(WAYS), count(20)))]
    good = [Sleeps(0.01) for _ in range(count(1000, least=50))]
    jobs: list[Job] = [*good, *poison]
    rig.chance.shuffle(jobs)
    rig.dispatch(jobs)
    rig.drained(within_s=60)
    rig.settled(within_s=30)
    for job in poison:
        _failed_with(_stored(rig, str(job._id)), job.way)
    assert {_stored(rig, str(job._id)).state for job in good} == {JobState.COMPLETED}
    deaths = 3 * sum(job.way not in _IS_CAUGHT for job in poison)
    began = rig.ledger.count("serves")
    assert began <= 2 + deaths, f"{began} processes began for {deaths} deaths"
    assert len(host.serving(2)) == 2
    rig.verdict(repeats=deaths, kills=deaths)  # what ended in the last 5 ms before a death may run again


def test_t16_no_restart_storm(rig: Rig) -> None:
    """Workers that die before they serve come again after growing pauses; the jobs lose nothing."""
    doom = rig.folder / "doom"
    doom.touch()
    ids = rig.dispatch([Sleeps(0.01) for _ in range(5)])
    host = rig.host(serving=0, **{HOOKS: stillborn.__name__, stillborn.FILE: str(doom)})
    births = [event.monotonic for event in rig.noted("stillborn", 4)]
    doom.unlink()
    gaps = [later - earlier for earlier, later in pairwise(births)]
    for gap, pause_s in zip(gaps, _PAUSES_S, strict=False):
        assert pause_s <= gap < pause_s + _BIRTH_S, f"the successors came after {gaps}"
    host.serving()
    rig.drained(within_s=10)
    rig.settled(within_s=10)
    assert rig.ledger.count("stillborn") == len(births), "nobody came before his time"
    assert {_stored(rig, one).attempts for one in ids} == {1}
    first = min(run.began_at for job in attempts(rig.ledger).values() for run in job)
    rig.verdict(recovery_s=first - births[-1], within_s=_PAUSES_S[len(gaps)] + _SERVES_S)


def _hung(rig: Rig, job_id: str, *, is_soft: bool) -> float:
    """See that it ran once and says why it ended; returns how long it took."""
    stored = _stored(rig, job_id)
    told = [failure.kind for failure in unpack_history(stored.history)]
    assert stored.state is JobState.FAILED
    assert told.count("qcore.errors.JobTimeout") == 1, told
    (run,) = attempts(rig.ledger)[job_id]
    (failed,) = [event for event in rig.ledger.events("failed") if event.job_id == job_id]
    took_s = failed.monotonic - run.began_at
    assert not is_soft or took_s < _TIMEOUT_S + 0.5
    return took_s


def _failed_with(stored: StoredJob, way: str) -> None:
    told = [f"{failure.kind}: {failure.message}" for failure in unpack_history(stored.history)]
    assert stored.state is JobState.FAILED, f"{way}: {stored.state}, {told}"
    assert any(_LAST_WORDS[way] in one for one in told), f"{way}: {told}"
    assert stored.attempts == 3, f"{way}: {stored.attempts} attempts"
    if way not in _IS_CAUGHT:
        assert stored.crashes == 3, f"{way}: {stored.crashes} crashes"
        assert "WorkerCrashed" in told[-1], told


def _ran_once(rig: Rig, ids: Sequence[str]) -> None:
    runs = attempts(rig.ledger)
    assert [len(runs[job_id]) for job_id in ids] == [1] * len(ids)
    assert {_stored(rig, job_id).attempts for job_id in ids} == {1}


def _stored(rig: Rig, job_id: str) -> StoredJob:
    stored = rig.connection.find(job_id)
    assert stored is not None
    return stored


def _is_shown(rig: Rig, ids: set[str]) -> bool:
    return ids <= {job.id for worker in rig.connection.workers() for job in worker.running}


def _time_to_run(rig: Rig, jobs: Sequence[Job]) -> float:
    """How long the slowest of them took from its dispatch to its end."""
    began = time.monotonic()
    ids = set(rig.dispatch(jobs))
    until(lambda: ids <= rig.ledger.ids("end"), 30, "the siblings end")
    return time.monotonic() - began
