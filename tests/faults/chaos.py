"""All faults at random, for as long as asked: `make chaos SECONDS=600 SEED=1`. No part of any other run.

On each store, on all at the same time: hosts and producers, each with a network and a clock of its own, an operator,
and every moment something that breaks, often while something else is broken. What was broken is mended after a while;
at the end everything is, and the pass rules hold as after any other test.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from chaos_people import Operator
from chaos_places import Network, Place, Workplace
from harness.audit import unended
from harness.fault_jobs import Sleeps
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import LEASE_S, leases
from harness.stores import ServedStore
from harness.waiting import until

_HOSTS = 3
_HANDS = 4
"""Jobs that a process has in hand, or ended and has not settled: so many may run again after its death."""
_HANDS_OF_ALL = 6 * 12
"""The same of all processes together, where they cannot settle for a while."""
_MOST_BROKEN = 3
"""Things that are out of order at a time."""
_RECOVERS_WITHIN_S = 20.0
"""From when all is mended; the processes of every store begin at once, on a busy machine."""
_DRAINED_WITHIN_S = 240.0


def test_chaos(rig: Rig, request: pytest.FixtureRequest) -> None:
    chaos = Chaos(rig)
    over = time.monotonic() + float(os.environ.get("SECONDS", "60"))
    while time.monotonic() < over:
        chaos.go_on()
    recovery_s = chaos.mend()
    operator = chaos.operator
    until(lambda: not operator.open_ids(), _DRAINED_WITHIN_S, lambda: f"all ends; open are {unended(rig)}", every_s=0.5)
    try:
        rig.settled(within_s=_DRAINED_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{operator.waiting()}\n{error}") from None
    operator.open_ids()
    operator.audit()
    request.node.user_properties.append(("said", f"{rig.store.letter}: {', '.join(chaos.told())}"))
    rig.verdict(
        repeats=chaos.repeats,
        overlaps=chaos.overlaps,
        recovery_s=recovery_s,
        within_s=_RECOVERS_WITHIN_S,
        forgotten=operator.dropped,
    )


class Chaos:
    """Breaks one thing after another, mends what was broken, and keeps so many hosts and producers alive."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._networks = [Network(rig) for _ in range(_HOSTS + 2)]
        self.operator = Operator(rig)
        self._hosts = [Workplace(rig, network, number) for number, network in enumerate(self._networks[:_HOSTS])]
        common: dict[str, Any] = {"arguments": [0.01], "options": {"max_crashes": 1000, "max_tries": 0}}
        specs = [Spec(calls=0, pause_s=0.02, **common), Spec(calls=0, many=10, batch=True, pause_s=0.5, **common)]
        self._producers = [
            Place(rig, network, spec) for network, spec in zip(self._networks[_HOSTS:], specs, strict=True)
        ]
        self._to_mend: list[tuple[float, Callable[[], None]]] = []
        self._store_answers = True
        self._done: Counter[str] = Counter()
        self.repeats = 0
        """Ends that may be repeats, for what was broken so far."""
        self.overlaps = 0
        self._faults: list[Callable[[], None]] = [
            *(self._kill_child, self._kill_child, self._kill_child, self._kill_supervisor, self._kill_host),
            *(self._kill_producer, self._freeze_child, self._freeze_supervisor, self._freeze_host, self._terminate),
            *(self._reload, self._reload, self._step_clock, self._poison, self._poison, self._break_store),
            *(self._operate, self._operate, self._operate, self._operate),
        ]
        if isinstance(rig.store, ServedStore):
            self._faults += [self._break_network, self._break_network, self._break_network, self._break_network]

    def go_on(self) -> None:
        """Break one thing, mend what has been broken for long enough, and wait a moment."""
        if len(self._to_mend) < _MOST_BROKEN:
            self._rig.chance.choice(self._faults)()
        self._mend_due(time.monotonic())
        if self._store_answers:
            self.operator.dispatch_something()
        self._keep_alive()
        time.sleep(self._rig.chance.uniform(0.1, 0.6))

    def mend(self) -> float:
        """Let everything be as it should, and nothing new come in; returns seconds until work went on."""
        self._mend_due(float("inf"))
        self._rig.store.mend()
        for network in self._networks:
            network.heal()
        for host in self._hosts:
            host.heal()
        for producer in self._producers:
            producer.end()
        self._keep_hosts_alive()
        mended_at = time.monotonic()
        self.operator.mend()
        (probe,) = self._rig.dispatch([Sleeps().with_priority(1000)])
        until(lambda: probe in self._rig.ledger.ids("start"), 60, "work goes on", every_s=0.05)
        return next(e.monotonic for e in self._rig.ledger.of_jobs()[probe] if e.event == "start") - mended_at

    def told(self) -> list[str]:
        """What was done, and how often."""
        done = self._done + self.operator.done
        return [f"{number} {what}" for what, number in sorted(done.items())]

    # -- what breaks at once -------------------------------------------------------------------------------------

    def _kill_child(self) -> None:
        host = self._host().host
        if children := host.children():
            self._rig.kill(self._rig.chance.choice(children))
            self._did("kills of a child", _HANDS)

    def _kill_supervisor(self) -> None:
        self._host().kill_supervisor()
        self._did("kills of a supervisor", 2 * _HANDS)

    def _kill_host(self) -> None:
        self._rig.kill_host(self._host().host)
        self._did("kills of a host", 2 * _HANDS)

    def _kill_producer(self) -> None:
        self._rig.chance.choice(self._producers).kill()
        self._did("kills of a producer")

    def _terminate(self) -> None:
        if self._store_answers:
            host = self._host()
            host.network.heal()
            host.heal()
            host.host.serving(within_s=60)
            assert host.host.terminate() == 0, host.host.log
            self._did("stops of a host", _HANDS)

    def _reload(self) -> None:
        host = self._host()
        if host.host.children():  # else it is not there yet, and takes the signal for its end
            host.reload()
            self._did("reloads of a host", _HANDS)

    def _poison(self) -> None:
        if self._store_answers and (way := self.operator.poison()):
            self._did(f"poisons ({way})", 6 * _HANDS)  # it dies of three tries, and perhaps of those of a retry

    def _operate(self) -> None:
        if self._store_answers:
            self.operator.act()

    # -- what stays broken for a while ---------------------------------------------------------------------------

    def _freeze_child(self) -> None:
        if children := self._host().host.children():
            pid = self._rig.chance.choice(children)
            self._for_a_while("freezes of a child", *self._frozen(pid))

    def _freeze_supervisor(self) -> None:
        self._for_a_while("freezes of a supervisor", *self._frozen(self._host().host.pid))

    def _freeze_host(self) -> None:
        host = self._host().host
        self._for_a_while("freezes of a host", host.freeze, host.thaw)

    def _step_clock(self) -> None:
        host = self._host()
        seconds = host.clock_step(self._rig.chance)
        self._for_a_while("steps of a clock", lambda: host.step(seconds), lambda: host.step(0.0))

    def _break_network(self) -> None:
        network = self._rig.chance.choice(self._networks)
        if not network.is_broken:
            what, begin = self._rig.chance.choice(network.ways)
            self._for_a_while(f"networks that {what}", begin, network.heal)

    def _break_store(self) -> None:
        store = self._rig.store
        if not isinstance(store, ServedStore):
            store.stop()  # nobody may be frozen meanwhile: it would keep what it has of the file
            self._rig.ledger.fault("outage")
            time.sleep(self._rig.chance.uniform(0.1, LEASE_S))
            store.start()
            self._did("locks of the file", _HANDS_OF_ALL, _HANDS_OF_ALL)
        elif self._store_answers:
            self._store_answers = False
            what, begin, end = self._rig.chance.choice(
                [
                    ("crashes of the store", store.crash, store.start),
                    ("restarts of the store", store.stop, store.start),
                    ("freezes of the store", store.freeze, store.thaw),
                ]
            )
            self._for_a_while(what, begin, lambda: self._answer_again(end))

    def _answer_again(self, end: Callable[[], None]) -> None:
        end()
        self._store_answers = True

    def _frozen(self, pid: int) -> tuple[Callable[[], None], Callable[[], None]]:
        send = self._rig.signal
        return lambda: send(pid, signal.SIGSTOP), lambda: send(pid, signal.SIGCONT)

    def _for_a_while(self, what: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Break it for up to two lease terms; beyond one, whoever was cut off may end what others began anew."""
        begin()
        self._rig.ledger.fault("outage", detail=what)
        self._to_mend.append((time.monotonic() + self._rig.chance.uniform(0.1, leases(2)), end))
        self._did(what, _HANDS_OF_ALL, _HANDS_OF_ALL)

    # -- and what keeps it going -----------------------------------------------------------------------------------

    def _did(self, what: str, repeats: int = 0, overlaps: int = 0) -> None:
        self._done[what] += 1
        self.repeats += repeats
        self.overlaps += overlaps

    def _mend_due(self, now: float) -> None:
        due = [end for at, end in self._to_mend if at <= now]
        self._to_mend = [(at, end) for at, end in self._to_mend if at > now]
        for end in due:
            end()
            self._rig.ledger.fault("mended")

    def _host(self) -> Workplace:
        return self._rig.chance.choice([host for host in self._hosts if host.host.is_alive])

    def _keep_alive(self) -> None:
        self._keep_hosts_alive()
        for producer in self._producers:
            producer.keep_alive()

    def _keep_hosts_alive(self) -> None:
        for host in self._hosts:
            host.keep_alive()
