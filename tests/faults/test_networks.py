"""T11 and T12: replies that get lost, and hosts that sleep."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

import pytest
from harness import beats
from harness.audit import attempts
from harness.fault_jobs import Gated, Hangs, Sleeps
from harness.hooks import HOOKS
from harness.hosts import Host
from harness.ledger import Event
from harness.proxy import Proxy
from harness.rig import Rig
from harness.scale import LEASE_S, leases, seconds
from harness.stores import SERVERS, only_on
from harness.waiting import until

from qcore import ConnectionFailed, QueueManager
from qcore.config import load_settings
from qcore.manager import pushing

_MOST_REPLIES = 40
_NOTES_BEATS = {HOOKS: beats.__name__}
_TIMEOUT_S = 2.5
"""Of a job that is stopped: long enough to stop it in time, on a busy machine."""


@only_on(*SERVERS)
@pytest.mark.parametrize("then_refuse", [False, True], ids=["", "for good"])
@pytest.mark.parametrize("is_new", [False, True], ids=["one statement", "transaction"])
def test_t11_lost_commit_reply(rig: Rig, monkeypatch: pytest.MonkeyPatch, *, is_new: bool, then_refuse: bool) -> None:
    """Each reply of a dispatch is lost once; the network is back at once, or stays away.

    A queue that the producer has not seen yet costs a transaction on the databases, a known one a single statement.
    """
    monkeypatch.setattr(pushing, "REPEAT_FOR_S", 1.0)  # there is no need to wait for all of it
    proxy = rig.proxy()
    manager = _behind(rig, proxy)
    queues = ["default"]
    _dispatch_through(rig, manager, _on(queues[0]))
    for number in range(1, _MOST_REPLIES):
        before = proxy.cuts
        proxy.cut_reply(number, then_refuse=then_refuse)
        queues += [f"new-{number}"] if is_new else []
        _dispatch_through(rig, manager, _on(queues[-1]))
        proxy.heal()
        if proxy.cuts == before:
            break
    else:
        pytest.fail(f"a dispatch of more than {_MOST_REPLIES} replies")
    manager.close()
    rig.host("--queue", ",".join(queues))
    rig.drained(within_s=30)
    rig.settled(within_s=30)
    rig.verdict(kills=proxy.cuts)


def test_t12_frozen_host(rig: Rig) -> None:
    """A machine that is suspended for 20 s: its jobs are taken over, its late ends refused.

    It begins nothing before its leases are renewed again, and works then.
    """
    gate = rig.folder / "gate"
    frozen = rig.host("--processes", "2", serving=2, **_NOTES_BEATS)
    pids = frozen.serving(2)
    long = rig.dispatch([Gated(str(gate)) for _ in range(2)])
    rig.noted("start", 2)
    rig.dispatch([Sleeps(0.01) for _ in range(10)])
    frozen.freeze()
    frozen_at = rig.ledger.fault("freeze", frozen.pid)
    other = rig.host("--processes", "2", serving=2)
    until(lambda: all(len(attempts(rig.ledger)[one]) == 2 for one in long), leases(3) + 10, "both jobs are taken over")
    gate.touch()
    rig.drained(within_s=20)
    taken_at = [run.began_at for job in attempts(rig.ledger).values() for run in job[1:]]
    assert len(taken_at) == 2, "both jobs were taken over"
    _sleep_until(frozen_at + leases(20 / 15))
    frozen.thaw()
    thawed_at = time.monotonic()
    until(lambda: frozen.log.count("its lease was lost") >= 2, 20, lambda: f"both late ends are refused:\n{frozen.log}")
    restarted = [e for e in rig.ledger.events("start", since=thawed_at) if e.pid in pids]
    assert not restarted, "what the sleeper had prefetched is not its own any more"
    _only_this_one_works(rig, other, pids, thawed_at)
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    recovery_s = max(taken_at) - frozen_at
    rig.verdict(repeats=2, overlaps=2, recovery_s=recovery_s, within_s=LEASE_S * 4 / 3 * 2 + 2)


def test_t12_frozen_child(rig: Rig) -> None:
    """A process that is stopped within a job that has a timeout: it is ended, and the job runs elsewhere.

    That comes before its 20 s are over: it never wakes, so that no late end is there to be refused.
    """
    gate = rig.folder / "gate"
    host = rig.host("--processes", "2", serving=2)
    job = Gated(str(gate))
    job.timeout = _TIMEOUT_S
    (job_id,) = rig.dispatch([job])
    (began,) = rig.noted("start")
    host_pids = host.serving(2)
    rig.signal(began.pid, signal.SIGSTOP)
    frozen_at = rig.ledger.fault("freeze", began.pid)
    gate.touch()
    rig.dispatch([Sleeps(0.01) for _ in range(30)])
    rig.noted("start", 32)
    assert began.pid not in host.processes(), "it was ended before its job began elsewhere: it cannot wake any more"
    rig.signal(began.pid, signal.SIGCONT)
    rig.drained(within_s=30)
    rig.settled(within_s=20)
    runs = attempts(rig.ledger)[job_id]
    assert len(runs) == 2, f"{runs}:\n{host.log}"
    first, second = runs
    assert first.ended_at is None
    assert second.pid != first.pid
    assert len(host.serving(2)) == 2
    assert began.pid in host_pids
    stored = rig.connection.find(job_id)
    assert stored is not None
    assert stored.attempts == 2
    rig.verdict(recovery_s=second.began_at - frozen_at, within_s=_TIMEOUT_S + 2.0 + 1.5)


def test_t12_frozen_child_that_wakes(rig: Rig) -> None:
    """A process that is stopped for 20 s within a job that may last: its supervisor lives, and keeps the job for it.

    Nobody takes the job over, so that its end, when it wakes, is no late one and counts.
    """
    host = rig.host("--processes", "2", serving=2)
    rig.host()  # would take the job over
    (job_id,) = rig.dispatch([Hangs(seconds(5, least=0.6))])
    (began,) = rig.noted("start")
    rig.signal(began.pid, signal.SIGSTOP)
    frozen_at = rig.ledger.fault("freeze", began.pid)
    rig.dispatch([Sleeps(0.01) for _ in range(30)])
    rig.noted("end", 30)
    _sleep_until(frozen_at + leases(20 / 15))
    assert rig.ledger.count("start") == 31, "the job is in the hands of somebody who lives"
    thawed_at = time.monotonic()
    rig.signal(began.pid, signal.SIGCONT)
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    (run,) = attempts(rig.ledger)[job_id]
    assert run.ended_at is not None
    assert run.ended_at >= thawed_at
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    rig.drained(within_s=20)
    assert host.is_alive
    rig.verdict(recovery_s=run.ended_at - thawed_at, within_s=seconds(5, least=0.6) + 0.5)


def test_t12_frozen_worker(rig: Rig) -> None:
    """A worker without a supervisor that is stopped until its job runs elsewhere: its late end is refused meanwhile."""
    frozen = rig.host("--in-process", serving=0)
    rig.noted("serves")
    (job_id,) = rig.dispatch([Hangs(leases(2))])
    rig.noted("start")
    rig.dispatch([Sleeps(0.01) for _ in range(10)])
    frozen.freeze()
    frozen_at = rig.ledger.fault("freeze", frozen.pid)
    other = rig.host("--processes", "2", serving=2)
    until(lambda: len(attempts(rig.ledger)[job_id]) == 2, leases(3) + 10, "the job is taken over", every_s=0.002)
    frozen.thaw()
    thawed_at = time.monotonic()
    _ends_are_refused(frozen, 1)
    first, second = attempts(rig.ledger)[job_id]
    assert second.ended_at is None, "the job was over elsewhere: the test proves nothing"
    rig.drained(within_s=leases(2) + 10)
    begun = [event for event in rig.ledger.events("start", since=thawed_at) if event.pid == frozen.pid]
    assert not begun, "what the sleeper had prefetched is not its own any more"
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    assert first.pid == frozen.pid
    assert "its lease was lost" not in other.log, "the end of the second attempt counts"
    rig.verdict(repeats=1, overlaps=1, recovery_s=second.began_at - frozen_at, within_s=LEASE_S * 4 / 3 * 2 + 2)


def test_t12_frozen_supervisor(rig: Rig) -> None:
    """Nobody beats for its children for 20 s: their jobs are taken over, their late ends refused.

    They begin no others until their leases are renewed again, and work then.
    """
    gate = rig.folder / "gate"
    frozen = rig.host("--processes", "2", serving=2, **_NOTES_BEATS)
    pids = frozen.serving(2)
    rig.dispatch([Gated(str(gate)) for _ in range(2)])
    rig.noted("start", 2)
    other = rig.host("--processes", "2", serving=2)
    rig.signal(frozen.pid, signal.SIGSTOP)
    frozen_at = rig.ledger.fault("freeze", frozen.pid)
    rig.noted("start", 4, within_s=leases(3) + 5)
    taken_at = max(run.began_at for job in attempts(rig.ledger).values() for run in job[1:])
    gate.touch()
    rig.noted("end", 4)
    _ends_are_refused(frozen, 2)
    since = rig.ledger.fault("dispatch while frozen")
    rig.dispatch([Sleeps(0.01) for _ in range(30)])
    rig.drained(within_s=leases(4) + 10)
    _sleep_until(frozen_at + leases(20 / 15))
    begun = [e for e in rig.ledger.events("start", since=since) if e.pid in pids]
    assert not begun, f"{len(begun)} jobs began where nobody keeps their leases"
    thawed_at = time.monotonic()
    frozen.thaw()
    _only_this_one_works(rig, other, pids, thawed_at)
    rig.drained(within_s=20)
    rig.settled(within_s=20)
    rig.verdict(repeats=2, overlaps=2, recovery_s=taken_at - frozen_at, within_s=LEASE_S * 4 / 3 * 2 + 2)


def _behind(rig: Rig, proxy: Proxy) -> QueueManager:
    settings = load_settings({}, environ={"QCTL_URL": proxy.url}, config_file=rig.folder / "qctl.toml")
    return QueueManager(settings)


def _on(queue: str) -> Sleeps:
    job = Sleeps()
    job.on_queue(queue)
    return job


def _dispatch_through(rig: Rig, manager: QueueManager, job: Sleeps) -> None:
    """The caller gets the id, or an error that says the job may be stored; it is stored once in either case."""
    said = ""
    try:
        manager.dispatch([job])
    except ConnectionFailed as error:
        said = str(error)
    job_id = str(job._id)
    rig.ledger.dispatched([job_id], "raised" if said else "returned", said)
    if said and rig.connection.find(job_id) is not None:
        assert "may have been stored" in said, f"it is stored, and dispatch said: {said}"
        assert job_id in said


def _ends_are_refused(host: Host, number: int) -> None:
    until(lambda: host.log.count("its lease was lost") >= number, 20, lambda: f"late ends are refused:\n{host.log}")


def _only_this_one_works(rig: Rig, other: Host, pids: Sequence[int], thawed_at: float) -> None:
    """See, while the other host sleeps, that these begin jobs again, and none before their leases were renewed."""
    other.freeze()
    rig.ledger.fault("freeze", other.pid)
    rig.dispatch([Sleeps(0.01) for _ in range(20)])
    until(lambda: _begun(rig, pids, thawed_at), 10, "those that slept begin jobs again")
    other.thaw()
    renewed_at = rig.noted("renewed", since=thawed_at)[0].monotonic
    early = [event for event in _begun(rig, pids, thawed_at) if event.monotonic < renewed_at]
    assert not early, f"{len(early)} jobs began before anybody renewed a lease"


def _begun(rig: Rig, pids: Sequence[int], since: float) -> list[Event]:
    return [event for event in rig.ledger.events("start", since=since) if event.pid in pids]


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
