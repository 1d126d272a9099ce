"""Where the chaos takes place: networks that break, hosts and producers behind them."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

from harness import clocks
from harness.clocks import Skew
from harness.hooks import HOOKS
from harness.hosts import Host
from harness.producer import Producer, Spec
from harness.proxy import Proxy
from harness.rig import Rig
from harness.stores import ServedStore
from harness.waiting import until

_MEMORY_MB = 200
_FLAGS = (("--processes", "2"), ("--threads", "3"), ("--processes", "2", "--threads", "2"))
_SERVES = ("--queue", "default,kept", "--grace", "5", "--memory-hard", str(_MEMORY_MB))
_STEPS_S = (600.0, -600.0, 3600.0, -3600.0)
_BYTES = 3000
_MOST_REPLIES = 8


class Network:
    """What lies between one place and the store; a file has none."""

    def __init__(self, rig: Rig) -> None:
        self._chance = rig.chance
        self._proxy: Proxy | None = rig.proxy() if isinstance(rig.store, ServedStore) else None
        self.url = self._proxy.url if self._proxy else rig.store.url
        self.is_broken = False

    @property
    def ways(self) -> list[tuple[str, Callable[[], None]]]:
        """What it may do, and what makes it do so until it is healed."""
        proxy, chance = self._proxy, self._chance
        assert proxy is not None
        ways: list[tuple[str, Callable[[], None]]] = [
            ("swallow all", proxy.black_hole),
            ("swallow replies", proxy.half_open),
            ("refuse", proxy.refuse),
            ("are slow", lambda: proxy.delay(chance.uniform(0.01, 0.3))),
            ("reset what there is", proxy.reset),
            ("cut a reply", lambda: proxy.cut_reply(chance.randint(1, _MOST_REPLIES))),
            ("cut a reply and refuse", lambda: proxy.cut_reply(chance.randint(1, _MOST_REPLIES), then_refuse=True)),
            ("reset in mid-message", lambda: proxy.reset_after(chance.randint(1, _BYTES))),
        ]
        return [(what, self._breaking(begin)) for what, begin in ways]

    def heal(self) -> None:
        """Let everything through."""
        self.is_broken = False
        if self._proxy is not None:
            self._proxy.heal()

    def _breaking(self, begin: Callable[[], None]) -> Callable[[], None]:
        def breaking() -> None:
            self.is_broken = True
            begin()

        return breaking


class Workplace:
    """One host after another, in one place: each with its network, and a clock that may step.

    On a SQLite file all have one host's clock, which goes wrong for all at once.
    """

    def __init__(self, rig: Rig, network: Network, number: int) -> None:
        self._rig = rig
        self._is_file = not isinstance(rig.store, ServedStore)
        self.network = network
        path = rig.folder / ("clock" if self._is_file else f"clock{number}")
        self._clock = Skew(path)
        self._clock.set(0.0)
        self._flags = (*_FLAGS[number], *_SERVES)
        self._environment = {
            "QCTL_URL": network.url,
            HOOKS: f"{clocks.__name__},woven_jobs",
            clocks.FILE: str(path),
        }
        self.host = self._new(serving=1)

    def keep_alive(self) -> None:
        """Let another host take a dead one's place."""
        if not self.host.is_alive:
            self.host = self._new(serving=0)

    def heal(self) -> None:
        """Let it run, with the right time."""
        self._clock.set(0.0)
        if self.host.is_alive:
            self.host.thaw()

    def kill_supervisor(self) -> None:
        """Its children end with it."""
        host = self.host
        host.thaw()  # one that is stopped ends when it goes on
        for pid in [host.pid, *host.children()]:
            self._rig.ledger.fault("kill", pid)
        host.process.kill()
        host.process.wait()
        until(lambda: not host.processes(), 30.0, "no child outlives its supervisor")

    def reload(self) -> None:
        """Let it begin anew."""
        self.host.signal(signal.SIGHUP)

    def clock_step(self, chance: random.Random) -> float:
        """A step for its clock; what is dispatched on a file while that is fast would be due much later."""
        return -_STEPS_S[0] if self._is_file else chance.choice(_STEPS_S)

    def step(self, seconds: float) -> None:
        """Let its clock be wrong by so much."""
        self._clock.set(seconds)

    def _new(self, serving: int) -> Host:
        return self._rig.host(*self._flags, serving=serving, **self._environment)


class Place:
    """One producer after another, in one place."""

    def __init__(self, rig: Rig, network: Network, spec: Spec) -> None:
        self._rig, self._spec = rig, spec
        self._environment = {"QCTL_URL": network.url}
        self._producer = self._new()

    def keep_alive(self) -> None:
        """Let another one take the place of one that was killed; none ends by itself."""
        if not self._producer.is_alive:
            code = self._producer.process.returncode
            assert code == -signal.SIGKILL, f"a producer ended with {code}:\n{self._producer.log}"
            self._producer = self._new()

    def kill(self) -> None:
        """Kill it."""
        self._producer.kill()
        self._rig.ledger.fault("kill", self._producer.pid)

    end = kill

    def _new(self) -> Producer:
        return self._rig.producer(self._spec, **self._environment)
