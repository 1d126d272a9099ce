"""The rig: one store to break, hosts and producers on it, the books, and the verdict."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from harness import audit, failpoints, ledger
from harness.audit import Result
from harness.failpoints import Plan, Step
from harness.hooks import HOOKS
from harness.hosts import Host, is_of_test
from harness.ledger import Ledger
from harness.producer import Producer, Spec
from harness.proxy import Proxy
from harness.scale import LEASE_S, SEED
from harness.stores import FaultStore
from harness.waiting import until, until_none
from qcore import Job, QueueError, QueueManager
from qcore.config import load_settings
from qcore.drivers import Store

_HERE = Path(__file__).parents[1]
_NOT_OURS = ("QCTL_", "FAULTS_", "PYTEST_", "COV_", "CI")
_TIMEOUT_S = 2.0
_LEAVE_S = 30.0
_PAGE = 1000


class Rig:
    """Everything one test has.

    Args:
        store: to break; it answers, and the test's database on it is empty.
        folder: the test's own.
        test: its name in the table.
        record: is given the test's `Result`.
    """

    ASK_FOR_MOST = 200
    """Open ids about which the store itself is asked."""

    def __init__(self, store: FaultStore, folder: Path, test: str, record: Callable[[Result], None]) -> None:
        self.store = store
        self.folder = folder
        self.chance = random.Random(f"{SEED}/{test}/{store.name}")
        self.ledger = Ledger(folder / "ledger.db")
        self.hooks: list[str] = []
        """Modules to install in every process from here on."""
        self.hosts: list[Host] = []
        self.producers: list[Producer] = []
        self._proxies: list[Proxy] = []
        self._test = test
        self._record = record
        self._manager: QueueManager | None = None
        self._making = threading.Lock()
        self.configure(lease_s=LEASE_S, timeout_s=_TIMEOUT_S)

    # -- settings ------------------------------------------------------------------------------------------------

    def configure(self, **connection: Any) -> None:
        """Write the settings of the connection for hosts and producers that start from here on."""
        lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in connection.items()]
        (self.folder / "qctl.toml").write_text("\n".join(["[connections.default]", *lines, ""]))
        self.close_connections()
        self._manager = None

    def environment(self, **extra: str) -> dict[str, str]:
        """What a process of the rig finds in its environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
        ours = {
            "QCTL_URL": self.store.url,
            "QCTL_APP": "harness.fault_jobs",
            "QCTL_ALLOWED_MODULES": "*",  # of jobs in other modules too, such as those that lead to none
            "PYTHONPATH": os.pathsep.join(map(str, (_HERE, *_HERE.parents[:2]))),
            ledger.VARIABLE: str(self.ledger.path),
        }
        hooks = filter(None, [*self.hooks, extra.get(HOOKS)])
        return {**inherited, **ours, **extra, HOOKS: ",".join(hooks)}

    @property
    def manager(self) -> QueueManager:
        """The test's own way to the store, without any hook."""
        with self._making:  # a test may dispatch from many threads at once
            if self._manager is None:
                environ = {"QCTL_URL": self.store.url}
                self._manager = QueueManager(load_settings({}, environ=environ, config_file=self.folder / "qctl.toml"))
            return self._manager

    @property
    def connection(self) -> Store:
        """The store, as the engine sees it."""
        return self.manager.connection()

    def close_connections(self) -> None:
        """Let go of the test's own connections; they open anew when used."""
        if self._manager is not None:
            self._manager.close()

    # -- what takes part -----------------------------------------------------------------------------------------

    def host(self, *flags: str, serving: int = 1, **environment: str) -> Host:
        """Start a host: `qctl work` with these flags; returns once so many of its children serve (0: at once)."""
        host = Host(self.folder, flags, self.environment(**environment), self.ledger, len(self.hosts), self.still)
        self.hosts.append(host)
        if serving:
            host.serving(serving)
        return host

    def producer(self, spec: Spec, **environment: str) -> Producer:
        """Start a producer."""
        producer = Producer(spec, self.folder, self.environment(**environment), len(self.producers))
        self.producers.append(producer)
        return producer

    def proxy(self) -> Proxy:
        """Put a proxy before the store; processes go through it by `QCTL_URL=proxy.url`."""
        self._proxies.append(Proxy(self.store.url))
        return self._proxies[-1]

    def plan(self, steps: Sequence[Step]) -> tuple[Plan, dict[str, Any]]:
        """Write a plan of failpoints; returns it, and the environment of a process that is to follow it."""
        plan = Plan(self.folder / "plan.json")
        plan.write(steps)
        return plan, {HOOKS: failpoints.__name__, failpoints.PLAN: str(plan.path)}

    def dispatch(self, jobs: Sequence[Job]) -> list[str]:
        """Dispatch from here, and note it; returns the ids, in order."""
        try:
            ids = [str(job_id) for job_id in self.manager.dispatch(jobs)]
        except QueueError as error:
            stored = set(error.stored_ids)
            failed = [job._id or "" for job in jobs if job._id not in stored]
            self.ledger.dispatched(stored)
            self.ledger.dispatched(failed, "raised", f"{type(error).__name__}: {error}")
            raise
        self.ledger.dispatched(ids)
        return ids

    # -- hurting -------------------------------------------------------------------------------------------------

    def kill(self, pid: int) -> float:
        """Kill -9 a process; returns when, in monotonic seconds."""
        at = time.monotonic()  # before: whoever takes its jobs over is later than that
        self.signal(pid, signal.SIGKILL)
        return self.ledger.fault("kill", pid, at=at)

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process of this test; one that is gone, whatever has its number now, gets none."""
        stops = number == signal.SIGSTOP
        with contextlib.suppress(psutil.NoSuchProcess), self.still() if stops else contextlib.nullcontext():
            process = psutil.Process(pid)
            if is_of_test(process, self.ledger):
                process.send_signal(number)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Let nobody write into the books, nor into a store that is a file: a process may be stopped in here."""
        with self.store.still(), self.ledger.still():
            yield

    def kill_host(self, host: Host) -> float:
        """Kill -9 a host, all of it at once; returns when, in monotonic seconds."""
        pids, at = {host.pid, *host.processes()}, time.monotonic()
        host.kill()
        for pid in pids:
            self.ledger.fault("kill", pid, at=at)
        return at

    # -- waiting -------------------------------------------------------------------------------------------------

    def drained(self, within_s: float) -> None:
        """Wait until every id whose dispatch returned has an end or a failed record; `within_s` is for each step."""
        until_none(
            lambda: len(audit.unended(self)),
            within_s,
            lambda: f"every job ends; open are {audit.shown(audit.unended(self))}{self._said()}",
            every_s=0.05,
        )

    def ended(self, job_id: str, within_s: float = 20.0) -> None:
        """Wait until a job is settled for good, and the store says so."""
        until(lambda: audit._is_ended(self, job_id), within_s, lambda: f"{job_id} ends{self._said()}")

    def noted(self, event: str, number: int = 1, within_s: float = 20.0, *, since: float = 0.0) -> list[ledger.Event]:
        """Wait until something stands in the books so many times; returns the entries."""
        return until(
            lambda: found if len(found := self.ledger.events(event, since=since)) >= number else [],
            within_s,
            lambda: f'{number} times "{event}" in the books{self._said()}',
        )

    def settled(self, within_s: float) -> None:
        """Wait until nothing waits or runs, as the store counts; also what no books know of. See `drained`."""
        until_none(
            lambda: sum(one.pending + one.delayed + one.retrying + one.processing for one in self.connection.counts()),
            within_s,
            lambda: f"the store is empty; it holds {self.connection.counts()}{self._said()}",
            every_s=0.05,
        )

    def await_dispatches(self, number: int, within_s: float = 20.0) -> None:
        """Wait until dispatch has spoken so many times."""
        until(lambda: len(self.ledger.dispatches()) >= number, within_s, f"{number} dispatches")

    def in_hand(self, pids: Sequence[int], within_s: float = 20.0) -> list[str]:
        """Wait until one of these processes runs a job; returns the ids of those that run."""

        def found() -> list[str]:
            runs = [job[-1] for job in audit.attempts(self.ledger).values() if job]
            return [run.job_id for run in runs if run.ended_at is None and run.pid in pids]

        return until(found, within_s, lambda: f"a job in the hands of {list(pids)}{self._said()}")

    # -- the verdict ---------------------------------------------------------------------------------------------

    def verdict(
        self,
        *,
        repeats: int = 0,
        overlaps: int = 0,
        recovery_s: float | None = None,
        within_s: float | None = None,
        kills: int | None = None,
        forgotten: Collection[str] = (),
    ) -> Result:
        """Stop every host, apply the pass rules, and leave a line for the table.

        Args:
            repeats: ended jobs that may have ended again.
            overlaps: jobs of which two attempts may have run at once.
            recovery_s: seconds until the engine worked again, as the test measured them.
            within_s: the bound of that.
            kills: where the books do not know them (failpoints).
            forgotten: ids that may be lost, as the store itself was made to forget them.
        """
        living = [pid for host in self.hosts for pid in host.processes()]
        complaints = self._stop_hosts()
        runs = audit.attempts(self.ledger)
        lost = audit.unended(self)
        doubled, together = audit.repeated(runs), audit.overlaps(runs)
        result = Result(
            test=self._test,
            store=self.store.letter,
            jobs=len(self.ledger.returned()),
            kills=len(self.ledger.faults("kill")) if kills is None else kills,
            lost=len(lost),
            repeated=doubled,
            recovery_s=recovery_s,
            lost_ids=tuple(sorted(lost)),
        )
        self._record(result)
        if unforgiven := lost.difference(forgotten):
            complaints.append(f"L: lost {audit.shown(unforgiven)}")
        if doubled > repeats:
            complaints.append(f"D: {doubled} ends are repeats, {repeats} may be")
        if uncaused := audit.uncaused(self, runs, living):
            complaints.append(f"D: for no reason there was a second end of {audit.shown(uncaused)}")
        if len(together) > overlaps:
            complaints.append(f"D: two attempts at once of {audit.shown(together)}; {overlaps} may have")
        complaints += [*audit.effects(self, forgotten), *audit.leftovers(self)]
        if recovery_s is not None and within_s is not None and recovery_s > within_s:
            complaints.append(f"W: it worked again after {recovery_s:.2f} s; the bound is {within_s:.2f} s")
        assert not complaints, "\n".join(complaints) + self._said()
        return result

    def failed_ids(self) -> list[str]:
        """Ids in the failed store, one for each record."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = self.connection.page("failed", cursor=cursor, limit=_PAGE)
            found += [job.id for job in page.jobs]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for producer in self.producers:
            producer.kill()
        for host in self.hosts:
            with contextlib.suppress(ProcessLookupError):
                host.thaw()
            host.kill()
        for proxy in self._proxies:
            proxy.close()
        self.store.mend()
        self.close_connections()
        self.ledger.close()

    def _stop_hosts(self) -> list[str]:
        return [
            f"G: a host that was told to stop exited with {code}:\n{host.log[-2000:]}"
            for host in self.hosts
            if host.is_alive and (code := host.terminate(_LEAVE_S)) != 0
        ]

    def _said(self) -> str:
        logs = [*(host.log for host in self.hosts), *(producer.log for producer in self.producers)]
        return "".join(f"\n--- log {number}\n{log[-1500:]}" for number, log in enumerate(logs) if log)
