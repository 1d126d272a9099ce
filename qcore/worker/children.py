"""The processes of a supervisor: how one is made, what it was doing when it died, and when its successor may come."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from typing import NoReturn

import msgspec

from qcore.worker.slots import ChildSlots

RECYCLED = 12
"""Exit code of a child that stopped for its memory: its successor comes at once."""
STOP_WITHIN_S = 5.0
"""A child whose time to stop is over has so long to say goodbye to the store."""
QUICK_S = 5.0
"""A child that dies so soon, without having run a job, died at once."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_PR_SET_PDEATHSIG = 1
_HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)

Serve = Callable[[ChildSlots], int]


class Duty(msgspec.Struct, frozen=True):
    """What a child was made for."""

    queues: tuple[str, ...]
    home: str
    """The connection whose store keeps its entry in the registry."""
    places: int = 1
    """Jobs at a time."""
    grace_s: float = 25.0
    """That its running jobs have once it was told to stop."""


class Child:
    """One process and its block of shared memory.

    Args:
        index: of the block.
        slots: the block.
        pid: of the process.
        duty: what it was made for.
        began_at: monotonic seconds; now, if None.
    """

    def __init__(self, index: int, slots: ChildSlots, pid: int, duty: Duty, began_at: float | None = None) -> None:
        self.index = index
        self.slots = slots
        self.pid = pid
        self.duty = duty
        self.began_at = time.monotonic() if began_at is None else began_at
        self.ends_by = math.inf
        """When it must have ended (monotonic seconds), once it was told to stop."""
        self.charge: dict[str, str] | None = None
        """Why the supervisor ended it: the jobs to charge for that, and the reason; None where it died by itself."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone already does not mind."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to stop."""
        return self.ends_by < math.inf

    def leave(self) -> None:
        """Let it stop after its running jobs; said once."""
        if not self.is_leaving:
            self.ends_by = time.monotonic() + self.duty.grace_s + STOP_WITHIN_S
            self.send(signal.SIGTERM)

    def quit(self) -> None:
        """Let it stop at once."""
        self.ends_by = time.monotonic() + STOP_WITHIN_S
        self.send(signal.SIGQUIT)  # and no second TERM: two of a kind may arrive as one

    def pause(self, *, paused: bool) -> None:
        """Let it reserve nothing, or go on."""
        self.slots.pause(paused=paused)
        self.send(signal.SIGUSR2 if paused else signal.SIGCONT)

    @property
    def state(self) -> str:
        """For the registry: `running`, `paused` or `stopping`."""
        if self.is_leaving:
            return "stopping"
        return "paused" if self.slots.is_paused else "running"

    def end(self, charge: dict[str, str]) -> None:
        """Kill it, and note which of its jobs are charged for that: ids and reasons."""
        if self.charge is None:
            self.charge = charge
            self.send(signal.SIGKILL)

    def status(self) -> int | None:
        """Return the wait status if it has died, else None."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0  # somebody else reaped it: nothing is known of its end
        return status if pid else None

    def ended_well(self, code: int) -> bool:
        """Whether it ended by itself, in order, and with nothing in hand."""
        return code in {0, RECYCLED} and self.charge is None

    @property
    def died_at_once(self) -> bool:
        """Whether it has hardly lived and begun no job."""
        has_begun = self.slots.counters[0] or self.slots.running()
        return time.monotonic() - self.began_at < QUICK_S and not has_begun


class Respawn:
    """When the next child may come: at once, or after a growing pause where they die at once again and again."""

    def __init__(self) -> None:
        self._deaths = 0
        self.not_before = 0.0
        """Monotonic seconds."""

    def note(self, child: Child, *, of: int) -> float:
        """Note an end nobody asked for.

        Args:
            child: that died.
            of: how many serve side by side. When each of them has died at once, it was a round: what
                kills one may have killed its neighbours, and only the next round shows that it kills again.

        Returns:
            The pause before the next child, in seconds.
        """
        self._deaths = self._deaths + 1 if child.died_at_once else 0
        rounds = -(-self._deaths // max(1, of))
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (rounds - 2)) if rounds > 1 else 0.0
        self.not_before = time.monotonic() + pause_s
        return pause_s

    def calm(self) -> None:
        """Note that a child ended as it should."""
        self._deaths = 0


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Let no signal be handled in this block; those that arrive are handled after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fork(slots: ChildSlots, serve: Serve) -> int:
    """Make a child that serves in its block and leaves with the code that `serve` returns; returns its pid.

    To be called while signals are held: until it has undone the supervisor's handlers, none may run in the child.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    return _live(slots, serve, parent)


def describe(status: int) -> str:
    """Say in words how a process ended."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"was ended by signal {-code}"


def bury_strangers(known: Collection[int]) -> None:
    """Let go of dead processes that are nobody's: what falls to the first process of a container.

    Args:
        known: pids of those that somebody else waits for.
    """
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid not in known:
            os.waitpid(found.si_pid, os.WNOHANG)


def _live(slots: ChildSlots, serve: Serve, parent: int) -> NoReturn:
    code = 1
    try:
        _settle_in(parent)
        code = serve(slots)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  the last thing this process can do about it is to say it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle_in(parent: int) -> None:
    """Undo what was the supervisor's: signals, and the state of chance. Die when it dies."""
    signal.set_wakeup_fd(-1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor passes it on once
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # a pause before the worker listens: its block tells it too
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that took hold
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    random.seed()
