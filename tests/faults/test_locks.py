"""T21 and T23: locks of jobs, while processes die."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from fakes.limit_books import most_within, starts_of
from harness.audit import Attempt, attempts, unended
from harness.rig import Rig
from harness.scale import LEASE_S, count, seconds
from key_jobs import Apart, Keyed, Limited, Waiting

from qcore import Job

_PAUSE_S = 0.2
"""Between two kills."""
_LOOK_S = 0.1
"""Between two looks at the books of a limit."""
_PATIENCE_S = 20.0
"""How much longer a producer goes on that nobody has refused yet: the machine may be busy."""


def test_t21_unique_lock(rig: Rig) -> None:
    """Many dispatch few keys while workers die: a key never has two live jobs, and at the end every key is free."""
    host = rig.host("--processes", "4", serving=4)
    keys = [f"key {number}" for number in range(count(100, least=8))]
    owners: dict[str, str] = {}
    over = time.monotonic() + seconds(30, least=3)

    def produce(number: int) -> int:
        refused = 0
        while time.monotonic() < over or (not refused and time.monotonic() < over + _PATIENCE_S):
            key = keys[(number + refused + len(owners)) % len(keys)]
            job = Keyed(key, 0.01 + 0.01 * (number % 3), fails=number % 4 == 0)
            refused += not _dispatched(rig, job, owners)
        return refused

    with ThreadPoolExecutor(4) as threads:
        producing = [threads.submit(produce, number) for number in range(4)]
        while time.monotonic() < over:
            rig.kill(host.child(rig.chance))
            time.sleep(_PAUSE_S)
        assert sum(one.result() for one in producing), "nobody was refused: the test proves nothing"
    rig.drained(within_s=60)
    rig.settled(within_s=20)
    _one_after_another(attempts(rig.ledger), owners)
    assert rig.connection.locks().locks == ()
    for key in keys:
        assert _dispatched(rig, Keyed(key, 0), owners), f"{key} is not free at once"
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict(repeats=len(rig.ledger.faults("kill")))


def test_t21_until_processing(rig: Rig) -> None:
    """The lock is free exactly when the job starts, also where that is its second start.

    The next job of the key waits where nobody serves it yet: it might begin before the first is back, and rightly.
    """
    gate = rig.folder / "gate"
    host = rig.host()
    owners: dict[str, str] = {}
    assert _dispatched(rig, Waiting("key", str(gate)), owners)
    rig.noted("start")
    assert rig.connection.locks().locks == ()
    following = Waiting("key", str(gate))
    following.on_queue("following")
    assert _dispatched(rig, following, owners)
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


def test_t23_overlap(rig: Rig) -> None:
    """Jobs of few keys on two hosts, of which one dies whole: never two of a key at once, and no try is lost for it."""
    doomed = rig.host("--processes", "2", "--threads", "2", serving=2)
    host = rig.host("--processes", "2", "--threads", "2", serving=2)
    jobs = [Apart(f"key {number % 4}", 0.03) for number in range(count(600, least=60))]
    ids = rig.dispatch(jobs)
    owners = {job_id: job.key for job_id, job in zip(ids, jobs, strict=True)}
    rig.noted("end", 8)
    rig.kill(host.child(rig.chance))
    rig.noted("end", 16)
    rig.in_hand(doomed.serving(2))
    died_at = rig.kill_host(doomed)
    rig.drained(within_s=120)
    rig.settled(within_s=30)
    runs = attempts(rig.ledger)
    _one_after_another(runs, owners)
    cut = {job_id for job_id, job in runs.items() if any(run.ended_at is None for run in job)}
    free_at = [_next_of_key(runs, owners, owners[job_id], died_at) for job_id in cut]
    for job_id in ids:
        stored = rig.connection.find(job_id)
        assert stored is not None
        assert stored.attempts <= 1 + (job_id in cut), f"{job_id}: waiting cost it a try"
    assert rig.connection.locks().locks == ()
    recovery_s = max(free_at, default=died_at) - died_at
    rig.verdict(repeats=2 * len(rig.ledger.faults("kill")), recovery_s=recovery_s, within_s=LEASE_S * 6 / 5 + 2)


def test_t23_rate_limit(rig: Rig) -> None:
    """Jobs of one limit on two hosts whose children are killed: no window holds too many, and no try is lost for it."""
    hosts = [rig.host("--processes", "2", serving=2) for _ in range(2)]
    ids = rig.dispatch([Limited() for _ in range(count(1000, least=100))])
    begun: Counter[int] = Counter()
    is_over = threading.Event()

    def look() -> None:
        nonlocal begun
        while not is_over.wait(_LOOK_S):
            begun |= Counter(starts_of(rig.connection))  # each look sees the last second at least

    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(look)
        while unended(rig):
            rig.kill(rig.chance.choice(hosts).child(rig.chance))
            time.sleep(0.5)
        time.sleep(2 * _LOOK_S)
        is_over.set()
        looking.result()
    rig.settled(within_s=20)
    instants = sorted(begun.elements())
    assert len(instants) >= len(ids) // 2, "too few were seen to judge by"
    assert most_within(instants, 1_000_000) <= Limited.MOST, "a window of the store's clock holds too many"
    runs = attempts(rig.ledger)
    for job_id in ids:
        stored = rig.connection.find(job_id)
        assert stored is not None
        assert stored.attempts <= 1 + stored.crashes, f"{job_id}: waiting cost it a try"
        assert len(runs[job_id]) >= 1
    rig.verdict(repeats=2 * len(rig.ledger.faults("kill")))


def _dispatched(rig: Rig, job: Job, owners: dict[str, str]) -> bool:
    """Whether a job was stored; it is noted then, and its key."""
    (job_id,) = rig.manager.dispatch([job])
    if job_id is not None:
        owners[job_id] = job.key  # type: ignore[attr-defined]  # jobs of `key_jobs`
        rig.ledger.dispatched([job_id])
    return job_id is not None


def _one_after_another(runs: dict[str, list[Attempt]], owners: dict[str, str]) -> None:
    """Of the jobs of a key, all attempts of one are over before the first of another begins."""
    of_key: defaultdict[str, list[Attempt]] = defaultdict(list)
    for job_id, job in runs.items():
        of_key[owners[job_id]] += job
    for key, some in of_key.items():
        for one, following in pairwise(sorted(some, key=lambda run: run.began_at)):
            assert one.over_at is not None, f"{one} was cut off, and nobody says when"
            assert one.over_at <= following.began_at, f"{key}: {one} and {following} ran at once"


def _next_of_key(runs: dict[str, list[Attempt]], owners: dict[str, str], key: str, after: float) -> float:
    begun: Iterable[float] = (
        run.began_at for job_id, job in runs.items() if owners[job_id] == key for run in job if run.began_at > after
    )
    return min(begun, default=after)
