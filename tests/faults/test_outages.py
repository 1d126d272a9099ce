"""T6 and T7: the store goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from harness.audit import unended
from harness.fault_jobs import Gated, Sleeps
from harness.hosts import Host
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import LEASE_S, leases, seconds
from harness.stores import HastyRedisStore, only_on
from harness.waiting import until
from servers import session

from qcore import ConnectionFailed
from qcore.manager.pushing import REPEAT_FOR_S
from qcore.states import JobState

BACK_WITHIN_S = 5.0
_TIMEOUT_S = 1.0
_WATCHED_S = 3.0
"""In which the CPU of idle workers is measured, at the least."""
_IDLE_SHARE = 0.05
_BUSY_S = 0.7
"""By so much a machine may be late that runs other tests."""
_STARTS_WITHIN_S = 8.0
"""How long the tool takes to start, while everything else here is at work."""
_A_LINE_EVERY_S = 1.0 - 0.1
"""A line a second; between the moment when a line may be said and its saying a busy machine lets some time pass."""
_UNSYNCED_MOST_S = 1.0
"""Redis lets the disk have all it wrote down once a second."""


def test_t6_restart_of_the_store(rig: Rig) -> None:
    """In good order, then by a crash, again and again, under load."""
    host = rig.host("--processes", "2", serving=2)
    pids = host.serving(2)
    rig.producer(Spec(calls=0, pause_s=0.01, arguments=[0.005]))
    rig.noted("end", 20)
    longest_s = 0.0
    rounds = max(2, round(seconds(60) / 5))
    for number in range(rounds):
        if rig.store.name == "sqlite":
            host, back_at = _all_openers_die(rig, host)
            first = rig.noted("start", since=back_at)[0]
            longest_s = max(longest_s, first.monotonic - back_at)
        else:
            back_at = _restart(rig, crashes=bool(number % 2))
            rig.close_connections()
            longest_s = max(longest_s, _all_serve_again(rig, pids, back_at))  # none of them left for good
        rig.noted("end", 20, since=back_at)
    rig.producers[0].kill()
    rig.drained(within_s=60)
    rig.settled(within_s=60)
    assert host.is_alive, f"the supervisor gave up:\n{host.log}"
    assert len(host.serving(2)) == 2
    _not_too_loud(rig)
    rig.verdict(repeats=_MOST_UNSETTLED * rounds, recovery_s=longest_s, within_s=BACK_WITHIN_S)


_MOST_UNSETTLED = 2 * 12
"""Ends that wait to be settled when the store goes: two workers, a few milliseconds each, and the answer on its way."""


@pytest.fixture
def hasty(rig: Rig) -> Iterator[HastyRedisStore]:
    """A Redis that syncs once a second, in place of the rig's store."""
    usual = rig.store
    with session.scratch() as folder:
        rig.store = hasty = HastyRedisStore(folder)
        hasty.fresh(folder)
        yield hasty
        rig.close()
        rig.store = usual
        hasty.server.stop(crash=True)


@only_on("redis")
def test_t6_power_cut(rig: Rig, hasty: HastyRedisStore) -> None:
    """With `appendfsync everysec`: what the disk was not given is lost, and not a job more."""
    host = rig.host("--processes", "2", serving=2)
    producer = rig.producer(Spec(calls=0, pause_s=0.005, arguments=[0.005]))
    rig.noted("end", 20)
    forgotten = b""
    longest_s = 0.0
    cuts = max(2, round(seconds(60) / 10))
    for _ in range(cuts):
        rig.ledger.fault("power cut")
        on_disk = hasty.written()
        since = time.monotonic()
        rig.dispatch([Sleeps().delay_until(1.0) for _ in range(10)])  # nobody can have them done before the cut
        rig.await_dispatches(len(rig.ledger.dispatches()) + 20)
        forgotten += hasty.cut_power(on_disk)
        assert time.monotonic() - since < _UNSYNCED_MOST_S
        hasty.start()
        back_at = time.monotonic()
        (first, *_) = rig.noted("start", since=back_at, within_s=30)
        longest_s = max(longest_s, first.monotonic - back_at)
        rig.noted("end", 20, since=back_at)
    producer.kill()
    rig.settled(within_s=leases(3) + 30)
    touched = {job_id for job_id in rig.ledger.returned() if job_id.encode() in forgotten}
    assert unended(rig), "nothing was lost: the test proves nothing"
    assert host.is_alive
    _not_too_loud(rig)
    most = len(touched) + _MOST_UNSETTLED * cuts
    rig.verdict(
        repeats=most, overlaps=most, recovery_s=longest_s, within_s=BACK_WITHIN_S, forgotten=touched
    )  # of an end or a lease that was forgotten nobody knows


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_t7_store_down(rig: Rig, how: str) -> None:
    """For 60 s (more than a lease term in any case): gone, or there and silent."""
    rig.configure(lease_s=LEASE_S, timeout_s=_TIMEOUT_S)
    host = rig.host("--processes", "2", "--threads", "2", serving=2)
    pids = host.serving(2)
    gate = rig.folder / "gate"
    kept, *_ = rig.dispatch([Gated(str(gate)), *(Sleeps(0.01) for _ in range(20))])
    rig.noted("end", 20)
    rig.ledger.fault(how)
    getattr(rig.store, how)()
    down_at = time.monotonic()
    gate.touch()  # this one ends now, and nobody hears of it
    rig.noted("end", 21)
    _dispatch_is_refused(rig)
    _the_tool_says_so(rig)
    since, used_s = time.monotonic(), host.cpu_s()
    over_at = max(down_at + seconds(60, least=6), since + _WATCHED_S)
    until(lambda: time.monotonic() > over_at, 120, "the outage is over")
    passed_s, now_s = time.monotonic() - since, host.cpu_s()
    shares = {pid: (now_s[pid] - spent_s) / passed_s for pid, spent_s in used_s.items()}
    assert set(pids) <= shares.keys(), "both workers are the same as before"
    told = f"of a core, idle processes use {shares}, by pid; workers are {pids}"
    assert max(shares[pid] for pid in pids) < _IDLE_SHARE, told
    assert sum(shares.values()) < len(shares) * _IDLE_SHARE, told  # who knocks at the store's door does it for all
    getattr(rig.store, "start" if how == "stop" else "thaw")()
    back_at = time.monotonic()
    rig.close_connections()
    recovery_s = _all_serve_again(rig, pids, back_at)
    rig.drained(within_s=30)
    rig.settled(within_s=30)
    assert host.is_alive
    stored = rig.connection.find(kept)
    assert stored is not None
    assert (stored.state, stored.attempts) == (JobState.COMPLETED, 1), "the late end was taken"
    rig.verdict(recovery_s=recovery_s, within_s=BACK_WITHIN_S)  # all ends were taken, none runs again


def _restart(rig: Rig, *, crashes: bool) -> float:
    """Restart the server; returns when it answered again."""
    rig.ledger.fault("crash" if crashes else "stop")
    if crashes:
        rig.store.crash()
    else:
        rig.store.stop()
    time.sleep(seconds(5, least=0.3))
    rig.store.start()
    return time.monotonic()


def _all_openers_die(rig: Rig, host: Host) -> tuple[Host, float]:
    """Kill everybody who has the file open; returns the host in the dead one's place, and when it was started."""
    rig.producers[0].kill()
    rig.kill_host(host)
    began = time.monotonic()
    after = rig.host("--processes", "2", serving=2)
    rig.producers[0] = rig.producer(Spec(calls=0, pause_s=0.01, arguments=[0.005]))
    return after, max(began, after.began)


def _not_too_loud(rig: Rig) -> None:
    """No process says two lines within any second, and nothing stands in the logs that none of them said."""
    said = [event for event in rig.ledger.events() if event.event.startswith("says: ")]
    log = "".join(host.log for host in rig.hosts)
    assert len(log.splitlines()) <= len(said), f"{len(said)} lines are known to be said; there are more:\n{log[-2000:]}"
    assert said or rig.store.name == "sqlite", "nobody said that the store was gone"
    for pid in {event.pid for event in said}:
        times = [event.monotonic for event in said if event.pid == pid]
        shortest_s = min((later - earlier for earlier, later in pairwise(times)), default=_A_LINE_EVERY_S)
        assert shortest_s >= _A_LINE_EVERY_S, f"two lines within {shortest_s:.2f} s, of process {pid}:\n{log[-2000:]}"


def _all_serve_again(rig: Rig, pids: Sequence[int], back_at: float) -> float:
    """Dispatch until each of these processes has begun a job; returns how long after `back_at` the last one did."""

    def found() -> dict[int, float]:
        rig.dispatch([Sleeps(0.02) for _ in range(20)])
        began: dict[int, float] = {}
        for event in rig.ledger.events("start", since=back_at):
            began.setdefault(event.pid, event.monotonic)
        return began if set(pids) <= began.keys() else {}

    began = until(found, 4 * BACK_WITHIN_S, f"the workers {pids} begin jobs again", every_s=0.1)
    return max(began[pid] for pid in pids) - back_at


def _dispatch_is_refused(rig: Rig) -> None:
    """By name, and within its timeout; where a server may have it after all, it was repeated for a while before."""
    within_s = _TIMEOUT_S if rig.store.name == "sqlite" else REPEAT_FOR_S + _TIMEOUT_S
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as refused:
        rig.dispatch([Sleeps()])
    took_s = time.monotonic() - began
    assert took_s <= within_s + _BUSY_S, f"dispatch took {took_s:.1f} s to refuse"
    assert "connection" in str(refused.value)


def _the_tool_says_so(rig: Rig) -> None:
    if rig.store.name == "sqlite":
        return  # whoever holds a lock on the file does not keep others from reading it
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "qctl", "stats"],
        cwd=rig.folder,
        env=rig.environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 4, f"{ended.returncode}: {ended.stderr}"
    assert time.monotonic() - began <= _TIMEOUT_S + _STARTS_WITHIN_S
