"""Processes that kill -9 themselves at a named point, from a plan that all processes of a test share.

A plan is a list of steps. The first step holds until somebody dies by it, then the next one does, and so on; when
all are done, nobody dies any more. Points, in the order in which an attempt passes them:

    handle.after     `handle` has returned (and the books have its end), nothing is settled yet
    V.before         a verb of the store is about to be called; V is push (a weave is one too), settle (alone or with a
                     reserve) or reserve
    V.step           before, and again after, each statement (SQL: BEGIN and COMMIT too) or script (Redis) of that verb
    V.after          the verb has returned, and what it did is done
    dispatch.after   dispatch has returned, and the producer has not noted it yet

A step dies at its `hit`-th passage of the point: counted anew in each verb for `V.step`, in each process for others.
As a hook (`FAULTS_HOOKS=harness.failpoints`) it wraps methods of the engine from outside.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PLAN = "FAULTS_PLAN"


class Step(NamedTuple):
    """Where to die next."""

    point: str
    hit: int = 1


class Plan:
    """A plan on disk, and beside it who died by it and what was passed. A new one takes the old one's place at once.

    Args:
        path: of the plan.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, steps: Sequence[Step]) -> None:
        """Begin a plan; deaths and passages of the one before are forgotten."""
        number = self._read()[0] + 1 if self.path.exists() else 1
        for kind in ("deaths", "passed"):
            self._beside(number, kind).write_bytes(b"")
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps([number, steps]))
        new.replace(self.path)

    @property
    def deaths(self) -> list[str]:
        """Where processes died: a line each."""
        return self._lines("deaths")

    @property
    def passed(self) -> Counter[str]:
        """The most passages of each point so far within one verb, or one process."""
        most: Counter[str] = Counter()
        for line in self._lines("passed"):
            point, _, number = line.rpartition(" ")
            most[point] = max(most[point], int(number))
        return most

    def regular(self, point: str, times: int) -> int:
        """The highest passage of a point that was made so many times so far; 0: none was."""
        made = Counter(line for line in self._lines("passed") if line.rpartition(" ")[0] == point)
        return max((int(line.rpartition(" ")[2]) for line, count in made.items() if count >= times), default=0)

    def pass_by(self, point: str, number: int) -> None:
        """Note a passage, and die if it is this one's turn: called in the process that may die."""
        plan, steps = self._read()
        _append(self._beside(plan, "passed"), f"{point} {number}")
        done = len(self._beside(plan, "deaths").read_bytes().splitlines())
        if done < len(steps) and steps[done].point == point and number >= steps[done].hit:
            self._die(plan, done, f"{point} {number} pid {os.getpid()}")

    def _die(self, plan: int, done: int, line: str) -> None:
        deaths = self._beside(plan, "deaths")
        with deaths.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if len(deaths.read_bytes().splitlines()) == done:  # nobody was faster
                _append(deaths, line)
                os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> tuple[int, list[Step]]:
        number, steps = json.loads(self.path.read_text())
        return number, [Step(*step) for step in steps]

    def _lines(self, kind: str) -> list[str]:
        return self._beside(self._read()[0], kind).read_text().splitlines()

    def _beside(self, number: int, kind: str) -> Path:
        return self.path.with_name(f"{self.path.stem}{number}.{kind}")


class _Scope(threading.local):
    """The verb that this thread is in, and the steps it has passed there."""

    verb = ""
    steps = 0


_scope = _Scope()
_counts: Counter[str] = Counter()


def install() -> None:
    """Wrap the engine's methods."""
    from qcore.worker.runner import Runner

    _before(Runner, "finish", "handle.after")
    _wrap_databases()
    _wrap_redis()


def pass_by(point: str) -> None:
    """Pass a point that is counted over the life of the process."""
    _counts[point] += 1
    Plan(Path(os.environ[PLAN])).pass_by(point, _counts[point])


def forget() -> None:
    """Count anew: for a process that was forked."""
    _counts.clear()


def _step() -> None:
    if _scope.verb:
        _scope.steps += 1
        Plan(Path(os.environ[PLAN])).pass_by(f"{_scope.verb}.step", _scope.steps)


def _before(owner: type, name: str, point: str) -> None:
    method = getattr(owner, name)

    def passing(*arguments: Any, **named: Any) -> Any:
        pass_by(point)
        return method(*arguments, **named)

    setattr(owner, name, passing)


def _around(owner: Any, name: str) -> None:
    """Let each call be a step, and each return another."""
    function = getattr(owner, name)

    def stepping(*arguments: Any, **named: Any) -> Any:
        _step()
        answer = function(*arguments, **named)
        _step()
        return answer

    setattr(owner, name, stepping)


def _verbs(driver: type) -> None:
    for name in ("push", "weave", "settle", "settle_and_reserve", "reserve"):
        if name in vars(driver):
            setattr(driver, name, _scoped(getattr(driver, name)))


def _scoped(method: Callable[..., Any]) -> Callable[..., Any]:
    name = method.__name__

    def verb(driver: Any, first: Any, *arguments: Any, **named: Any) -> Any:
        if _scope.verb or (name == "settle" and not first):
            return method(driver, first, *arguments, **named)
        said = "settle" if name == "settle_and_reserve" and first else name.removeprefix("settle_and_")
        said = "push" if said == "weave" else said
        pass_by(f"{said}.before")
        _scope.verb, _scope.steps = said, 0
        try:
            answer = method(driver, first, *arguments, **named)
        finally:
            _scope.verb = ""
        pass_by(f"{said}.after")
        return answer

    return verb


def _wrap_databases() -> None:
    from sqlalchemy import Engine, event

    from qcore.drivers.database import link
    from qcore.drivers.database.driver import DatabaseDriver
    from qcore.drivers.database.prepared import Prepared

    _verbs(DatabaseDriver)
    for owner, name in ((Prepared, "run"), (Prepared, "tuples"), (link, "execute")):
        _around(owner, name)
    event.listen(Engine, "before_cursor_execute", lambda *_: _step())
    event.listen(Engine, "after_cursor_execute", lambda *_: _step())


def _wrap_redis() -> None:
    from qcore.drivers.redis.driver import RedisDriver
    from qcore.drivers.redis.flows import RedisFlows
    from qcore.drivers.redis.server import Server

    _verbs(RedisDriver)
    _verbs(RedisFlows)
    _around(Server, "run")


def _append(path: Path, line: str) -> None:
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")
