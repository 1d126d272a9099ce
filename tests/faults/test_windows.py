"""T23: limits and keys by which jobs start, while processes die."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fakes.limit_books import most_within, starts_of
from harness.audit import Attempt, attempts, unended
from harness.hosts import Host
from harness.ledger import Event
from harness.rig import Rig
from harness.scale import LEASE_S, count, seconds
from harness.waiting import until
from key_jobs import Apart, Limited
from test_locks import one_after_another

from qcore.states import JobState

_PAUSE_S = 0.2
"""Between two kills."""
_LAST_S = 1.0
"""A job that runs when its host dies."""
_LOOK_S = 0.1
"""Between two looks at the books of a limit."""
_SEEN = 0.75
"""Of the starts; a machine that is busy may be late to look."""
_FREE_WITHIN_S = LEASE_S * 6 / 5 + 2
"""A lease and a look at those that lapsed; a key that is held is asked for again each second at the least."""


def test_t23_overlap(rig: Rig) -> None:
    """Jobs of few keys on two hosts, whose processes die, and one of them whole: never two of a key at once.

    Eight workers; no try is lost for waiting, and a key is free at the end of the lease of whoever died with it.
    """
    hosts = [rig.host("--processes", "2", "--threads", "2", serving=2) for _ in range(2)]
    jobs = [Apart(f"key {number % 4}", 0.03) for number in range(count(600, least=120))]
    owners = {job_id: job.key for job_id, job in zip(rig.dispatch(jobs), jobs, strict=True)}
    _kill_for(rig, hosts, seconds(30, least=2))
    last = rig.dispatch([Apart("last", _LAST_S) for _ in range(3)])
    owners |= dict.fromkeys(last, "last")
    begun = until(lambda: _begun(rig, last), 60, "one of the last ones runs")
    (doomed,) = [host for host in hosts if begun.pid in host.processes()]
    died_at = rig.kill_host(doomed)
    rig.drained(within_s=180)
    rig.settled(within_s=30)
    runs = attempts(rig.ledger)
    one_after_another(runs, owners)
    _lost_no_try(rig, runs)
    assert rig.connection.locks().locks == ()
    assert any(run.cut_at == died_at and run.ended_at is None for run in runs[begun.job_id]), (
        "no job died with its host"
    )
    free_at = min(run.began_at for job_id in last for run in runs[job_id] if run.began_at > died_at)
    recovery_s = free_at - died_at
    rig.verdict(repeats=2 * len(rig.ledger.faults("kill")), recovery_s=recovery_s, within_s=_FREE_WITHIN_S)


def test_t23_rate_limit(rig: Rig) -> None:
    """Jobs of one limit on eight workers that are killed: no window holds too many, and no try is lost for it."""
    hosts = [rig.host("--processes", "4", serving=4) for _ in range(2)]
    rig.dispatch([Limited() for _ in range(count(1000, least=100))])
    begun: Counter[int] = Counter()
    is_over = threading.Event()

    def look() -> None:
        nonlocal begun
        while not is_over.wait(_LOOK_S):
            begun |= Counter(starts_of(rig.connection))  # each look sees the last window at least

    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(look)
        while unended(rig):
            _kill_for(rig, hosts, _PAUSE_S)
        time.sleep(2 * _LOOK_S)
        is_over.set()
        looking.result()
    rig.settled(within_s=20)
    runs = attempts(rig.ledger)
    instants = sorted(begun.elements())
    assert len(instants) >= _SEEN * sum(map(len, runs.values())), "too few were seen to judge by"
    most = most_within(instants, round(Limited.WINDOW_S * 1_000_000))
    assert most <= Limited.MOST, f"a window of the store's clock holds {most} starts"
    _lost_no_try(rig, runs)
    rig.verdict(repeats=2 * len(rig.ledger.faults("kill")))


def _kill_for(rig: Rig, hosts: Sequence[Host], for_s: float) -> None:
    over = time.monotonic() + for_s
    while time.monotonic() < over:
        rig.kill(rig.chance.choice(hosts).child(rig.chance))
        time.sleep(_PAUSE_S)


def _lost_no_try(rig: Rig, runs: dict[str, list[Attempt]]) -> None:
    """Of each job, which is done in the end, the tries are the one that did it and those that were killed."""
    for job_id in rig.ledger.returned():
        stored = rig.connection.find(job_id)
        assert stored is not None
        assert stored.state is JobState.COMPLETED
        assert stored.attempts <= 1 + stored.crashes, f"{job_id}: waiting cost it a try"
        assert len(runs[job_id]) >= 1


def _begun(rig: Rig, ids: Sequence[str]) -> Event | None:
    """The start of one of these jobs, which runs now."""
    over = rig.ledger.ids("end")
    return next((e for e in rig.ledger.events("start") if e.job_id in ids and e.job_id not in over), None)
