"""T19: clocks that are wrong, or that step. The store's own clock rules; on a SQLite file that is the host's."""

from __future__ import annotations

import time

import pytest
from harness import clocks
from harness.audit import attempts
from harness.clocks import Skew
from harness.fault_jobs import FailsOnce, Hangs, Sleeps
from harness.hooks import HOOKS
from harness.rig import Rig
from harness.scale import leases
from harness.stores import SERVERS

from qcore import Job

_HOUR_S = 3600.0
_STEP_S = 600.0
_DELAY_S = 1.0
_EARLY_S = 0.05
_LATE_S = 2.0

on_servers = pytest.mark.parametrize(
    "fault_store", [pytest.param(name, marks=pytest.mark.server) for name in SERVERS], indirect=True
)


@on_servers
def test_t19_wrong_clocks(rig: Rig) -> None:
    """An hour slow and an hour fast: jobs begin when the store says, leases last, and nobody's job is taken."""
    _host(rig, -_HOUR_S, "--queue", "slow,default", "--threads", "2")
    _host(rig, _HOUR_S, "--queue", "fast,default", "--threads", "2")
    rig.dispatch([Hangs(leases(2)).on_queue("slow"), Hangs(leases(2)).on_queue("fast")])
    latest_s = _delayed_begin_in_time(rig)
    rig.drained(within_s=leases(2) + 10)
    rig.settled(within_s=10)
    _nothing_was_taken(rig)
    rig.verdict(recovery_s=latest_s, within_s=_LATE_S)


def test_t19_step(rig: Rig) -> None:
    """The clock of a host steps by ten minutes, forth and back, while it works."""
    skew = _host(rig, 0.0, "--threads", "2")
    rig.dispatch([Hangs(leases(1.5))])
    rig.noted("start")
    _step(rig, skew, _STEP_S)
    latest_s = _delayed_begin_in_time(rig) if rig.store.name != "sqlite" else None
    rig.drained(within_s=leases(2) + 10)
    rig.dispatch([FailsOnce(0.01) for _ in range(5)])
    rig.drained(within_s=10)
    rig.dispatch([Hangs(leases(1.5)), *(Sleeps(0.02) for _ in range(50))])
    rig.noted("end", 20)
    _step(rig, skew, 0.0)
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    rig.dispatch([FailsOnce(0.01) for _ in range(5)])
    rig.drained(within_s=leases(2) + 10)
    rig.settled(within_s=10)
    _nothing_was_taken(rig)
    rig.verdict(recovery_s=latest_s, within_s=_LATE_S)


def _host(rig: Rig, seconds: float, *flags: str) -> Skew:
    """Start a host whose clock is wrong by so much; returns what changes that."""
    path = rig.folder / f"clock{len(rig.hosts)}"
    skew = Skew(path)
    skew.set(seconds)
    rig.host(*flags, **{HOOKS: clocks.__name__, clocks.FILE: str(path)})
    return skew


def _step(rig: Rig, skew: Skew, seconds: float) -> None:
    skew.set(seconds)
    rig.ledger.fault("step", detail=f"{seconds:+g}")


def _delayed_begin_in_time(rig: Rig) -> float:
    """None begins before its delay is over; returns how late the latest one began."""
    jobs: list[Job] = [Sleeps().delay_until(_DELAY_S) for _ in range(10)]
    before = time.monotonic()
    ids = rig.dispatch(jobs)
    after = time.monotonic()
    rig.noted("start", len(ids), since=after, within_s=_DELAY_S + 10)
    rig.drained(within_s=leases(3) + 10)
    began = [attempts(rig.ledger)[job_id][0].began_at for job_id in ids]
    early_s = before + _DELAY_S - min(began)
    assert early_s < _EARLY_S, f"a job began {early_s:.2f} s before its time"
    return max(began) - after - _DELAY_S


def _nothing_was_taken(rig: Rig) -> None:
    for host in rig.hosts:
        assert "lease was lost" not in host.log, host.log
    for job_id, runs in attempts(rig.ledger).items():
        stored = rig.connection.find(job_id)
        assert stored is not None
        assert stored.attempts == len(runs), f"{job_id}: {len(runs)} runs, {stored.attempts} tries charged"
        assert stored.runtime_s is not None
        assert 0 <= stored.runtime_s < leases(3), f"{job_id} is said to have taken {stored.runtime_s} s"
