"""Two things happen to one job at once, the first of them stopped in its middle: it is as if they had come in turn.

A verb is stopped after one of its statements (on Redis after a script, which has no middle). Then the other one runs on
a connection of its own, until it has done or waits for what the first one holds; then the first one goes on. What both
say and what becomes of the job must be what the store in memory makes of one of the two orders.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import product
from typing import Any, NamedTuple

import pytest
from fakes.leases import let_pass
from fakes.store import URLS, StoreUnderTest
from leased_case import (
    Case,
    Verb,
    became,
    begin,
    cancel,
    clear,
    complete,
    delete,
    fail,
    heartbeat,
    leased,
    pause,
    reclaim,
    release,
    retry,
    revive,
    work_off,
)
from servers.stores import settings_for

from qcore.drivers import open_store
from qcore.drivers.database import link
from qcore.drivers.database.link import Link
from qcore.drivers.database.prepared import Prepared
from qcore.drivers.redis.server import Server

LAPSES_S = 0.02
LAPSES_IN_MEMORY_S = 0.3
WITHIN_S = 20.0
WAITS_MOST_S = 0.5
"""After so long the other one is taken to wait, whatever the store says: the first one goes on."""

SETTLES: list[Verb] = [complete, fail, release]
OTHERS: list[Verb] = [heartbeat, cancel, pause, clear, retry, delete]


class Scene(NamedTuple):
    """How a job is, and which pairs of verbs happen to it."""

    prepare: Sequence[Verb]
    """What happened to it before."""
    pairs: Sequence[tuple[Verb, Verb]]
    has_lapsed: bool = False
    """Its lease is over."""


SCENES = {
    "held": Scene([], list(product([*SETTLES, *OTHERS], [*SETTLES, *OTHERS]))),
    "lapsed": Scene(
        [],
        [
            (reclaim, reclaim),
            *((reclaim, verb) for verb in SETTLES + OTHERS),
            *((v, reclaim) for v in SETTLES + OTHERS),
        ],
        has_lapsed=True,
    ),
    "failed": Scene([fail], list(product([cancel, pause, clear, retry, revive, delete], repeat=2))),
    "waiting": Scene([release], list(product([cancel, pause, clear, delete], repeat=2))),
}


class Stop:
    """Where a verb is stopped: after so many steps; 0: nowhere."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.passed = 0
        self.reached = threading.Event()
        self._goes_on = threading.Event()

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self._after:
            self.reached.set()
            assert self._goes_on.wait(WITHIN_S)

    def go_on(self) -> None:
        self._goes_on.set()


class _OfThread(threading.local):
    stop: Stop | None = None


_here = _OfThread()
_has_met_others = threading.Event()


@pytest.fixture(autouse=True)
def _stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each step of a driver be one where a verb may be stopped; and note who finds a SQLite file locked."""

    def after(owner: Any, name: str) -> None:
        step = getattr(owner, name)

        def stepping(*arguments: Any, **named: Any) -> Any:
            answer = step(*arguments, **named)
            if _here.stop is not None:
                _here.stop.pass_by()
            return answer

        monkeypatch.setattr(owner, name, stepping)

    for owner, name in ((Prepared, "run"), (Prepared, "tuples"), (link, "execute"), (Server, "run"), (Server, "call")):
        after(owner, name)
    rest = Link._pause

    def resting(*arguments: Any) -> None:
        _has_met_others.set()
        rest(*arguments)

    monkeypatch.setattr(Link, "_pause", resting)


@pytest.fixture(scope="module")
def in_turn() -> dict[str, dict[tuple[Verb, Verb], Any]]:
    """What becomes of each pair, one after the other, in memory."""
    return {name: _in_memory(scene) for name, scene in SCENES.items()}


@pytest.fixture
def waits(store: StoreUnderTest) -> Iterator[Callable[[], bool]]:
    """Whether somebody waits for what another holds in the store."""
    with ExitStack() as opened:
        yield _WAITS[store.name](store.url, opened)


@pytest.mark.parametrize("store", URLS, indirect=True)
@pytest.mark.parametrize("scene", SCENES)
def test_at_once(store: StoreUnderTest, scene: str, in_turn: Any, waits: Callable[[], bool]) -> None:
    options = {"timeout": 0.001} if store.name == "sqlite" else {}  # who finds it locked is to say so at once
    first, second = (store.open(lease_s=60.0, options=options) for _ in range(2))
    leasing = store.open(lease_s=LAPSES_S) if SCENES[scene].has_lapsed else first
    verbs = dict.fromkeys(one for one, _ in SCENES[scene].pairs)
    steps = {one: _steps_of(one, first, _case(leasing, SCENES[scene], at)) for at, one in enumerate(verbs)}
    wrong, met, number = [], 0, len(verbs)
    with ThreadPoolExecutor(2) as threads:
        for at, (one, other) in enumerate(SCENES[scene].pairs):
            for after in _middles(steps[one], at):
                number += 1
                case = _case(leasing, SCENES[scene], number)
                name = f"{one.__name__}, stopped after {after} of {steps[one]}, and {other.__name__}"
                stop = Stop(after)
                doing = threads.submit(_stopping, stop, one, first, case)
                assert stop.reached.wait(WITHIN_S), name
                _has_met_others.clear()
                beside = threads.submit(other, second, case)
                met += _meets(beside, waits)
                stop.go_on()
                said = doing.result(WITHIN_S), beside.result(WITHIN_S)
                if other is reclaim and not said[1]:  # a look passes over what others hold, and the next one finds it
                    said = said[0], reclaim(second, case)
                found = (said, *_found(first, case, name))
                if found not in (in_turn[scene][one, other], _turned(in_turn[scene][other, one])):
                    wrong.append((name, found))
                work_off(first, case, name)
    assert not wrong, f"{len(wrong)} of {number} are as in no order: {wrong[:3]}"
    assert met > (number - len(verbs)) // 2, f"of {number} only {met} met in the middle"


def _steps_of(verb: Verb, driver: Any, case: Case) -> int:
    """How many steps a verb has that nobody stops."""
    stop = Stop(0)
    _stopping(stop, verb, driver, case)
    work_off(driver, case, verb.__name__)
    return stop.passed


def _middles(steps: int, at: int) -> set[int]:
    """Two of the steps after which to stop: others for each pair, so that all are met with somebody."""
    number = max(1, steps - 1)
    return {1 + at % number, 1 + (at + number // 2) % number}


def _stopping(stop: Stop, verb: Verb, driver: Any, case: Case) -> Any:
    _here.stop = stop
    try:
        return verb(driver, case)
    finally:
        _here.stop = None


def _meets(beside: Future[Any], waits: Callable[[], bool]) -> bool:
    """Whether a verb ends while another one is stopped, or is seen to wait for that one."""
    until = time.monotonic() + WAITS_MOST_S
    while time.monotonic() < until:
        if beside.done() or waits():
            return True
        time.sleep(0.0005)
    return False


def _case(driver: Any, scene: Scene, number: int) -> Case:
    case = leased(driver, number)
    if not scene.prepare:
        begin(case)
    for verb in scene.prepare:
        verb(driver, case)
    if scene.has_lapsed:
        let_pass(driver, 1.5 * LAPSES_S)
    return case


def _found(driver: Any, case: Case, name: str) -> tuple[Any, ...]:
    (counts,) = driver.counts([case.queue])
    return counts.paused, *became(driver, case, counts, name)


def _in_memory(scene: Scene) -> dict[tuple[Verb, Verb], Any]:
    with ExitStack() as opened:
        settings = settings_for("", lease_s=LAPSES_IN_MEMORY_S if scene.has_lapsed else 60.0)
        held = {}
        for pair in scene.pairs:
            driver = opened.enter_context(closing(open_store(settings)))
            held[pair] = driver, _case(driver, scene._replace(has_lapsed=False), 1)
        if scene.has_lapsed:
            time.sleep(1.5 * LAPSES_IN_MEMORY_S)
        told = {}
        for (one, other), (driver, case) in held.items():
            said = one(driver, case), other(driver, case)
            told[one, other] = (said, *_found(driver, case, f"{one.__name__}, {other.__name__}"))
        return told


def _turned(told: tuple[Any, ...]) -> tuple[Any, ...]:
    (one, other), *rest = told
    return (other, one), *rest


# -- whether somebody waits ----------------------------------------------------------------------------------------


def _in_sqlite(url: str, opened: ExitStack) -> Callable[[], bool]:
    del url, opened
    return _has_met_others.is_set


def _in_postgresql(url: str, opened: ExitStack) -> Callable[[], bool]:
    import psycopg

    database = opened.enter_context(psycopg.connect(url.replace("+psycopg", ""), autocommit=True))
    asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return lambda: database.execute(asked).fetchone() is not None


def _in_mariadb(url: str, opened: ExitStack) -> Callable[[], bool]:
    import pymysql

    host, port = url.rpartition("@")[2].partition("/")[0].split(":")
    database = opened.enter_context(closing(pymysql.connect(host=host, port=int(port), user="qctl")))
    cursor = opened.enter_context(database.cursor())

    def waits() -> bool:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
        return int((cursor.fetchone() or ("", 0))[1]) > 0

    return waits


def _in_redis(url: str, opened: ExitStack) -> Callable[[], bool]:
    del url, opened
    return lambda: False


_WAITS: dict[str, Callable[[str, ExitStack], Callable[[], bool]]] = {
    "sqlite": _in_sqlite,
    "postgresql": _in_postgresql,
    "mariadb": _in_mariadb,
    "redis": _in_redis,
}
