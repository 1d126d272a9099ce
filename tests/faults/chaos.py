"""All faults at random, for as long as asked: `make chaos SECONDS=600`. No part of any other run.

On each store, on all at the same time: hosts, a producer, and every second something that breaks. What was broken
is mended after a while; at the end everything is, and the pass rules hold as after any other test.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from harness.hosts import Host
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import LEASE_S, leases
from harness.stores import ServedStore
from harness.waiting import until

_HOSTS = 3
_SPEC = Spec(calls=0, pause_s=0.005, arguments=[0.01], options={"max_crashes": 1000})


def test_chaos(rig: Rig) -> None:
    chaos = Chaos(rig)
    over = time.monotonic() + float(os.environ.get("SECONDS", "60"))
    while time.monotonic() < over:
        chaos.break_something()
    chaos.mend()
    rig.drained(within_s=120 + leases(4))
    rig.settled(within_s=120)
    rig.verdict(repeats=chaos.repeats, overlaps=chaos.overlaps)


class Chaos:
    """Breaks one thing after another, and keeps so many hosts and a producer alive."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._hosts = [self._new_host() for _ in range(_HOSTS)]
        self._producer = rig.producer(_SPEC)
        self.repeats = 0
        """Ends that may be repeats, for what was broken so far."""
        self.overlaps = 0
        self._faults: list[Callable[[], None]] = [
            *(self._kill_child, self._kill_child, self._kill_child, self._kill_supervisor, self._kill_host),
            *(self._kill_producer, self._freeze_child, self._freeze_supervisor, self._freeze_host, self._terminate),
        ]
        if isinstance(rig.store, ServedStore):
            self._faults += [self._crash_store, self._restart_store, self._freeze_store]

    def break_something(self) -> None:
        """Break one thing, see it mended, and wait a moment."""
        self._rig.chance.choice(self._faults)()
        self._keep_alive()
        time.sleep(self._rig.chance.uniform(0.1, 1.0))

    def mend(self) -> None:
        """Let everything be as it should, and nothing new come in."""
        self._rig.store.mend()
        for host in self._hosts:
            host.thaw()
        self._producer.kill()

    # -- what breaks ---------------------------------------------------------------------------------------------

    def _kill_child(self) -> None:
        self._rig.kill(self._host().child(self._rig.chance))
        self.repeats += 3

    def _kill_supervisor(self) -> None:
        host = self._host()
        for pid in [host.pid, *host.children()]:
            self._rig.ledger.fault("kill", pid)
        host.process.kill()
        host.process.wait()
        until(lambda: not host.processes(), 2.0, "no child outlives its supervisor")
        self.repeats += 6

    def _kill_host(self) -> None:
        self._rig.kill_host(self._host())
        self.repeats += 6

    def _kill_producer(self) -> None:
        self._producer.kill()
        self._rig.ledger.fault("kill", self._producer.pid)

    def _freeze_child(self) -> None:
        pid = self._host().child(self._rig.chance)
        send = self._rig.signal
        self._for_a_while(lambda: send(pid, signal.SIGSTOP), lambda: send(pid, signal.SIGCONT))

    def _freeze_supervisor(self) -> None:
        host = self._host()
        self._for_a_while(lambda: host.signal(signal.SIGSTOP), lambda: host.signal(signal.SIGCONT))

    def _freeze_host(self) -> None:
        host = self._host()
        self._for_a_while(host.freeze, host.thaw)

    def _terminate(self) -> None:
        assert self._host().terminate() == 0

    def _crash_store(self) -> None:
        self._for_a_while(self._rig.store.crash, self._rig.store.start)

    def _restart_store(self) -> None:
        self._for_a_while(self._rig.store.stop, self._rig.store.start)

    def _freeze_store(self) -> None:
        self._for_a_while(self._rig.store.freeze, self._rig.store.thaw)

    # -- and what keeps it going -----------------------------------------------------------------------------------

    def _for_a_while(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Break it for up to two lease terms; beyond one, whoever was cut off may end what others began anew."""
        begin()
        self._rig.ledger.fault("outage")
        time.sleep(self._rig.chance.uniform(0.1, 2 * LEASE_S))
        end()
        self.repeats += 2 * 2 * _HOSTS
        self.overlaps += 2 * 2 * _HOSTS

    def _host(self) -> Host:
        return self._rig.chance.choice([host for host in self._hosts if host.is_alive])

    def _new_host(self) -> Host:
        return self._rig.host("--processes", "2", serving=1)

    def _keep_alive(self) -> None:
        self._hosts = [host if host.is_alive else self._new_host() for host in self._hosts]
        if not self._producer.is_alive:
            self._producer = self._rig.producer(_SPEC)
