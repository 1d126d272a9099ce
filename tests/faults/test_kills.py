"""T1 to T3: processes of a host die by kill -9."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

from harness.audit import Attempt, attempts
from harness.failpoints import Step
from harness.fault_jobs import Sleeps
from harness.rig import Rig
from harness.scale import LEASE_S, count, seconds
from harness.stores import only_on
from harness.waiting import until
from key_jobs import Writes
from sqlalchemy import create_engine, text

from qcore.records import unpack_history

_PATIENCE_S = 20.0
"""How much longer to kill where none has met a running job yet."""
AGAIN_WITHIN_S = 1.0
"""A dead child's jobs run again so soon."""
_UNSETTLED_S = 0.005
"""A settlement leaves within so many seconds: what ended later before a kill may run again."""


def test_t1_kill_of_a_child(rig: Rig) -> None:
    host = rig.host("--processes", "4", serving=4)
    rig.dispatch([Sleeps(rig.chance.uniform(0.005, 0.05)) for _ in range(count(5000, least=400))])
    over = time.monotonic() + seconds(30, least=2.5)
    while time.monotonic() < over or (not _is_one_cut(rig) and time.monotonic() < over + _PATIENCE_S):
        if time.monotonic() >= over:
            rig.dispatch([Sleeps(0.05) for _ in range(20)])
        rig.kill(host.child(rig.chance))
        _pause(0.2)
    rig.drained(within_s=60)
    runs = attempts(rig.ledger)
    cut = [(one, following) for job in runs.values() for one, following in pairwise(job) if one.ended_at is None]
    assert cut, "no kill met a running job: the test proves nothing"
    recovery_s = max(following.began_at - (one.cut_at or 0) for one, following in cut)
    _only_what_had_begun_is_charged(rig, runs)
    rig.verdict(repeats=_ended_unsettled(rig), recovery_s=recovery_s, within_s=AGAIN_WITHIN_S)


def test_t1_kills_under_short_jobs(rig: Rig) -> None:
    """Jobs so short that their ends travel in groups: still no kill repeats more than the one job that had ended."""
    kills, jobs = count(20, least=5), count(1500, least=375)
    host = rig.host("--processes", "2", serving=2)
    rig.dispatch([Sleeps(0.004) for _ in range(jobs)])
    given_back_s, held = 0.0, 0
    for number in range(1, kills + 1):
        rig.noted("end", number * jobs // (kills + 1))
        pid = rig.chance.choice(host.serving())
        died_at = rig.kill(pid)
        held += len(_leased_to(rig, pid))
        until(lambda pid=pid: not _leased_to(rig, pid), 20, f"what {pid} had in hand is given back")
        given_back_s = max(given_back_s, time.monotonic() - died_at)
    rig.drained(within_s=60)
    served = until(
        lambda: found if len(found := rig.ledger.events("serves")) >= kills + 2 else [], 20, "a new child for each kill"
    )
    deaths = rig.ledger.faults("kill")
    reborn_s = max(born.monotonic - died.monotonic for died, born in zip(deaths, served[2:], strict=True))
    recovery_s = max(reborn_s, given_back_s)  # what ran and what had only been fetched; and who serves in its place
    assert held, "nothing was in the hands of the dead: the test proves nothing"
    rig.verdict(repeats=kills, recovery_s=recovery_s, within_s=AGAIN_WITHIN_S)


def _leased_to(rig: Rig, pid: int) -> list[str]:
    """The jobs that the store knows in the hands of a process."""
    jobs = rig.connection.page("processing", limit=1000).jobs
    return [job.id for job in jobs if job.worker is not None and job.worker.split(":")[-2] == str(pid)]


def test_t2_death_of_a_host(rig: Rig) -> None:
    doomed = rig.host("--processes", "2", serving=2)
    rig.host("--processes", "2", serving=2)
    pids = doomed.serving(2)
    rig.dispatch([Sleeps(0.15) for _ in range(count(600, least=40))])
    rig.noted("end", 8)
    rig.in_hand(pids)
    died_at = rig.kill_host(doomed)
    rig.drained(within_s=60)
    cut = [(one, following) for job in attempts(rig.ledger).values() for one, following in pairwise(job)]
    assert cut, "the dead host had no job in hand: the test proves nothing"
    recovery_s = max(following.began_at for _, following in cut) - died_at
    rig.verdict(repeats=2, recovery_s=recovery_s, within_s=LEASE_S * 6 / 5 + 1)  # a look and a poll beyond the lease


def test_t2_death_of_a_supervisor(rig: Rig) -> None:
    doomed = rig.host("--processes", "3", serving=3)
    rig.host("--processes", "2", serving=2)
    orphans = doomed.children()
    rig.dispatch([Sleeps(0.1) for _ in range(count(600, least=60))])
    rig.noted("end", 8)
    died_at = rig.kill(doomed.pid)
    until(lambda: not doomed.processes(), 2.0, "no child outlives its supervisor")
    for pid in orphans:
        rig.ledger.fault("kill", pid, "with its supervisor")
    rig.drained(within_s=60)
    cut = [job[1] for job in attempts(rig.ledger).values() if len(job) > 1]
    recovery_s = max((run.began_at for run in cut), default=died_at) - died_at
    rig.verdict(repeats=3, recovery_s=recovery_s, within_s=LEASE_S * 6 / 5 + 1)


def test_t3_kill_between_end_and_settle(rig: Rig) -> None:
    deaths = count(200, least=10)
    plan, following_it = rig.plan([Step("handle.after", rig.chance.randint(2, 5)) for _ in range(deaths)])
    rig.host(**following_it)
    rig.dispatch([Sleeps(0.006) for _ in range(5 * deaths)])  # long: each is settled before the next one starts
    rig.drained(within_s=120)
    assert len(plan.deaths) == deaths
    ends = [sum(run.ended_at is not None for run in job) for job in attempts(rig.ledger).values()]
    assert sum(ends) - len(ends) == deaths, "each death costs exactly one more run"
    rig.verdict(repeats=deaths, kills=deaths)


@only_on("sqlite", "postgresql", "mariadb")
def test_t3_own_transaction(rig: Rig) -> None:
    """Killed before the commit of a job's own transaction, or after its `handle`: each job leaves exactly one row."""
    deaths = count(200, least=12)
    steps = [Step(rig.chance.choice(["row.written", "handle.after"]), rig.chance.randint(1, 4)) for _ in range(deaths)]
    plan, following_it = rig.plan(steps)
    engine = create_engine(rig.store.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE written (job_id VARCHAR(40))"))
    rig.host(**following_it)
    ids = rig.dispatch([Writes() for _ in range(5 * deaths)])
    rig.settled(within_s=900)
    assert len(plan.deaths) == deaths
    with engine.connect() as connection:
        rows = Counter(connection.execute(text("SELECT job_id FROM written")).scalars())
    engine.dispose()
    assert rows == Counter(ids), "not exactly one row for each job"
    rig.verdict(repeats=0, kills=deaths)


def _is_one_cut(rig: Rig) -> bool:
    return any(run.ended_at is None and run.cut_at is not None for job in attempts(rig.ledger).values() for run in job)


def _only_what_had_begun_is_charged(rig: Rig, runs: dict[str, list[Attempt]]) -> None:
    """Each kill costs one job a try, the one that ran; and the job's history says why."""
    charged = 0
    for job_id, job in runs.items():
        cut = sum(run.ended_at is None for run in job)
        stored = rig.connection.find(job_id)
        assert stored is not None
        charged += stored.attempts - 1
        assert stored.attempts - 1 >= cut, f"{job_id}: {stored.attempts} tries charged, {cut} were cut off"
        told = [failure.kind for failure in unpack_history(stored.history)]
        assert sum("WorkerCrashed" in kind for kind in told) >= min(1, cut), f"{job_id} was cut off, and says {told}"
    kills = len(rig.ledger.faults("kill"))
    assert charged <= kills, f"{charged} tries are charged for {kills} kills: jobs paid that had not begun"


def _ended_unsettled(rig: Rig) -> int:
    """How many ends may be repeats: for each kill one, and what ended in the 5 ms before it."""
    ends = rig.ledger.events("end")
    kills = rig.ledger.faults("kill")
    return sum(
        1 + sum(end.pid == kill.pid and 0 <= kill.monotonic - end.monotonic <= _UNSETTLED_S for end in ends)
        for kill in kills
    )


def _pause(pause_s: float) -> None:
    """Let the rhythm of the kills be that of the specification."""
    time.sleep(pause_s)
