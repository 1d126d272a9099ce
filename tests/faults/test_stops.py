"""T20: hosts that are told to stop, to make room for the next, or to become the next."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from itertools import pairwise

from harness import reserves
from harness.audit import attempts
from harness.fault_jobs import Gated, Hangs, Sleeps
from harness.hooks import HOOKS
from harness.hosts import Host
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import count, seconds
from harness.waiting import TooLate, until

_GRACE_S = seconds(10, least=1.0)
_SHORT_S = seconds(5, least=0.6)
"""A job that ends within the grace of a stop, and one that does not."""
_LONG_S = seconds(20, least=2.5)
_STOPS = count(10, least=4)
_MIXED = 30
"""Jobs of a mixed load: half of them take less than 20 ms."""
_NOTICE_S = 0.3
"""A signal goes from the supervisor to its child, on a busy machine, and may meet it between two jobs."""
_BACK_WITHIN_S = 1.0
_LEAVE_S = 5.0
"""A process that has nothing to do any more is gone by then, on a busy machine."""
_FLAGS = ("--processes", "2", "--grace", f"{_GRACE_S:g}")
_NOTES_RESERVES = {HOOKS: reserves.__name__}


def test_t20_rolling_deploy(rig: Rig) -> None:
    """One host after another is told to stop while it has jobs in hand; the others have them at once."""
    hosts = [rig.host(*_FLAGS, serving=0, **_NOTES_RESERVES) for _ in range(2)]
    for host in hosts:
        host.serving(2)
    longest_s = 0.0
    for number in range(_STOPS):
        _warm(rig)
        stop = _stop_within_grace if number % 2 else _stop_beyond_grace
        old, took_s = stop(rig, hosts)
        longest_s = max(longest_s, took_s)
        hosts.remove(old)
        hosts.append(rig.host(*_FLAGS, serving=2, **_NOTES_RESERVES))
    rig.drained(within_s=20)
    rig.settled(within_s=10)
    assert {_charged(rig, job_id) for job_id in rig.ledger.returned()} == {1}, "a stop costs no try"
    rig.verdict(recovery_s=longest_s, within_s=_BACK_WITHIN_S)


def test_t20_rolling_deploy_of_a_mixed_load(rig: Rig) -> None:
    """Jobs of a millisecond to 20 s keep coming: whoever has the time ends once, the others begin elsewhere at once."""
    flags = (*_FLAGS, "--threads", "6")
    hosts = [rig.host(*flags, serving=0, **_NOTES_RESERVES) for _ in range(2)]
    for host in hosts:
        host.serving(2)
    takes_s: dict[str, float] = {}
    stops: list[tuple[set[int], float]] = []
    for _ in range(_STOPS):
        takes_s |= _mixed(rig)
        old = hosts.pop(0)
        hosts.append(rig.host(*flags, serving=2, **_NOTES_RESERVES))
        pids = set(old.children())
        takes_s |= _occupy(rig, pids)
        stops.append((pids, _terminate(rig, old)))
        assert old.process.wait(_GRACE_S + _LEAVE_S) == 0, old.log
        takes_s |= _mixed(rig)
    rig.drained(within_s=30 + 2 * _LONG_S)
    rig.settled(within_s=10)
    longest_s = 0.0
    for pids, at in stops:
        _began_nothing(rig, pids, at)
        longest_s = max(longest_s, _begin_elsewhere(rig, pids, at, takes_s))
    assert {_charged(rig, job_id) for job_id in rig.ledger.returned()} == {1}, "a stop costs no try"
    rig.verdict(recovery_s=longest_s, within_s=_BACK_WITHIN_S)


def test_t20_reload_under_load(rig: Rig) -> None:
    """HUP again and again: work goes on all the time, and nothing is done twice."""
    rig.configure(lease_s=15.0, timeout_s=2.0)
    host = rig.host("--processes", "2", serving=2)
    producer = rig.producer(Spec(calls=0, pause_s=0.01, arguments=[0.005]))
    rig.noted("end", 20)
    for _ in range(count(20, least=2)):
        began = _reload(rig, host)
        rig.noted("end", 20, since=began)
    producer.kill()
    rig.drained(within_s=30)
    rig.settled(within_s=10)
    assert host.is_alive, "the supervisor stays the same process"
    rig.verdict(recovery_s=_longest_gap(rig), within_s=_BACK_WITHIN_S)


def test_t20_stop_at_once(rig: Rig) -> None:
    """A second TERM does not wait; Ctrl-C reaches every process of the group, and is one stop all the same."""
    impatient = rig.host("--queue", "impatient", "--grace", "30", serving=0)
    interrupted = rig.host("--queue", "interrupted", "--grace", "30", serving=0)
    for host in (impatient, interrupted):
        host.serving()
    gate = rig.folder / "gate"
    jobs = [Gated(str(gate)).on_queue("impatient"), Hangs(_SHORT_S).on_queue("interrupted")]
    cut_id, whole_id = rig.dispatch(jobs)
    rig.noted("start", 2)
    os.killpg(interrupted.pid, signal.SIGINT)
    impatient.signal(signal.SIGTERM)
    assert interrupted.process.wait(_SHORT_S + _LEAVE_S) == 0
    (run,) = attempts(rig.ledger)[whole_id]
    assert run.ended_at is not None
    assert run.ended_at - run.began_at >= _SHORT_S, "its sleep was cut short"
    assert impatient.is_alive, "the first TERM waits"
    impatient.signal(signal.SIGTERM)
    assert impatient.process.wait(_LEAVE_S) == 0
    assert _charged(rig, cut_id) == 0
    gate.touch()
    rig.host("--queue", "impatient")
    rig.drained(within_s=10)
    rig.settled(within_s=10)
    cut, again = attempts(rig.ledger)[cut_id]
    assert cut.ended_at is None
    assert again.ended_at is not None
    assert _charged(rig, cut_id) == 1, "a stop costs no try"
    rig.verdict()


def _stop_within_grace(rig: Rig, hosts: list[Host]) -> tuple[Host, float]:
    """Stop a host that runs a short job, with others in hand; returns it, and how soon these began elsewhere."""
    short, *others = rig.dispatch([Hangs(_SHORT_S), *(Sleeps() for _ in range(30))])
    old, pids = _owner(rig, hosts, short)
    at = _terminate(rig, old)
    assert old.process.wait(_SHORT_S + _LEAVE_S) == 0, old.log
    until(lambda: set(others) <= rig.ledger.ids("start"), 10, "what it had in hand begins")
    runs = attempts(rig.ledger)
    (run,) = runs[short]
    assert run.ended_at is not None
    assert run.ended_at - run.began_at >= _SHORT_S, "its sleep was cut short"
    _began_nothing(rig, pids, at)
    return old, max(0.0, *(runs[one][0].began_at - at for one in others))


def _stop_beyond_grace(rig: Rig, hosts: list[Host]) -> tuple[Host, float]:
    """Stop a host that runs a long job; returns it, and how long after its grace the job began elsewhere."""
    (long,) = rig.dispatch([Hangs(_LONG_S)])
    old, pids = _owner(rig, hosts, long)
    at = _terminate(rig, old)
    assert old.process.wait(_GRACE_S + _LEAVE_S) == 0, old.log
    until(lambda: len(attempts(rig.ledger)[long]) == 2, 10, "the long job begins again")
    _began_nothing(rig, pids, at)
    cut, again = attempts(rig.ledger)[long]
    assert cut.ended_at is None
    return old, again.began_at - at - _GRACE_S


def _reload(rig: Rig, host: Host) -> float:
    """Reload a host; returns when it was told to, once its new children have taken over."""
    old = set(host.serving(2))
    began = rig.ledger.fault("reload", host.pid)
    host.signal(signal.SIGHUP)
    until(lambda: not old & set(host.children()), 60, lambda: f"the old children leave:\n{host.log}")
    host.serving(2)
    return began


def _terminate(rig: Rig, host: Host) -> float:
    host.signal(signal.SIGTERM)
    return rig.ledger.fault("terminate", host.pid)


def _warm(rig: Rig) -> None:
    """Let the workers learn that jobs are short, so that they hold many."""
    rig.drained(within_s=20)
    rig.dispatch([Sleeps() for _ in range(200)])
    rig.drained(within_s=20)


def _owner(rig: Rig, hosts: list[Host], job_id: str) -> tuple[Host, set[int]]:
    """Wait for a job to begin; returns the host where it did, and the pids there."""
    until(lambda: attempts(rig.ledger).get(job_id), 10, "the job begins", every_s=0.002)
    pid = attempts(rig.ledger)[job_id][-1].pid
    (owner,) = [host for host in hosts if pid in host.children()]
    return owner, set(owner.children())


def _began_nothing(rig: Rig, pids: set[int], since: float) -> None:
    for event, what in (("start", "jobs began"), ("reserves", "times jobs were asked for")):
        late = [one for one in rig.ledger.events(event, since=since + _NOTICE_S) if one.pid in pids]
        assert not late, f"{len(late)} {what} after the stop, the last {late[-1].monotonic - since:.2f} s after it"
    assert any(one.pid in pids for one in rig.ledger.events("reserves")), "nobody notes what they ask for"


def _mixed(rig: Rig) -> dict[str, float]:
    """Dispatch jobs of all lengths; returns how long each takes, in seconds."""
    lengths = [rig.chance.choice([0.001, 0.005, 0.02, _SHORT_S / 2]) for _ in range(_MIXED)]
    lengths += [_SHORT_S, _LONG_S, _LONG_S]
    rig.chance.shuffle(lengths)
    return dict(zip(rig.dispatch([Hangs(one) for one in lengths]), lengths, strict=True))


def _occupy(rig: Rig, pids: set[int]) -> dict[str, float]:
    """Dispatch jobs of all lengths until a host has one in hand: its neighbour may take all the long ones."""
    takes_s: dict[str, float] = {}
    for _ in range(5):
        takes_s |= _mixed(rig)
        with suppress(TooLate):
            until(lambda: _runs_something(rig, pids), 2, "the old host has a job in hand")
            return takes_s
    raise AssertionError("the old host takes no job")


def _runs_something(rig: Rig, pids: set[int]) -> bool:
    runs = [job[-1] for job in attempts(rig.ledger).values()]
    return any(run.ended_at is None and run.pid in pids for run in runs)


def _begin_elsewhere(rig: Rig, pids: set[int], at: float, takes_s: dict[str, float]) -> float:
    """See that a stop cut off only what had no time to end; returns how long after the grace the last of that began."""
    longest_s = 0.0
    for job_id, runs in attempts(rig.ledger).items():
        for cut, again in pairwise(runs):
            if cut.pid in pids:
                if cut.ended_at is not None:  # as it was given back: nobody could note its end
                    ended_s = cut.ended_at - at
                    assert ended_s > _GRACE_S - _NOTICE_S, (
                        f"{job_id} ended {ended_s:.2f} s after the stop, and began again"
                    )
                would_end_at = cut.began_at + takes_s[job_id]
                assert would_end_at > at + _GRACE_S - _NOTICE_S, f"{job_id} had the time to end, and was cut off"
                longest_s = max(longest_s, again.began_at - at - _GRACE_S)
    return longest_s


def _charged(rig: Rig, job_id: str) -> int:
    stored = rig.connection.find(job_id)
    assert stored is not None
    return stored.attempts


def _longest_gap(rig: Rig) -> float:
    """The longest time in which no job ended, while jobs kept coming."""
    last = rig.ledger.dispatches()[-1].monotonic
    ends = [event.monotonic for event in rig.ledger.events("end") if event.monotonic <= last]
    return max(later - earlier for earlier, later in pairwise(ends))
