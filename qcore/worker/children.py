"""The processes of a supervisor: what each is for, what it was doing when it died, and when its successor may come."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator

import msgspec

from qcore.worker.signals import LOOK
from qcore.worker.slots import ChildSlots
from qcore.worker.stacks import Stack

RECYCLED = 12
"""Exit code of a child that stopped for its memory: its successor comes at once."""
STOP_WITHIN_S = 5.0
"""A child whose time to stop is over has so long to say goodbye to the store."""
QUICK_S = 5.0
"""A child that dies so soon, without having run a job, died at once."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_PR_SET_NAME = 15
_PR_SET_PDEATHSIG = 1
HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR2,
    signal.SIGCONT,
    LOOK,
)
"""Signals that a supervisor or its children handle."""

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
        self.stack = Stack(pid)
        self.ends_by = math.inf
        """When it must have ended (monotonic seconds), once it was told to stop."""
        self.full_at = 0.0
        """When it was last seen with a job in each of its places (monotonic seconds): it had no reason to poll."""
        self.busy_at = 0.0
        """When it was last seen with a job (monotonic seconds)."""
        self.charge: dict[str, str] | None = None
        """Why the supervisor ended it: the jobs to charge for that, and the reason; None where it died by itself."""

    def send(self, number: int) -> None:
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
            self.slots.stop(1)
            self.send(LOOK)

    def quit(self) -> None:
        """Let it stop at once."""
        self.ends_by = time.monotonic() + STOP_WITHIN_S
        self.slots.stop(2)
        self.send(LOOK)

    def pause(self, *, paused: bool) -> None:
        """Let it reserve nothing, or go on."""
        self.slots.pause(paused=paused)
        self.send(LOOK)

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
        has_any = self.slots.running() or self.slots.holdings()  # a job may call `os._exit(0)`
        return code in {0, RECYCLED} and self.charge is None and not has_any

    @property
    def died_at_once(self) -> bool:
        """Whether it has hardly lived, or never served, and begun no job."""
        has_begun = self.slots.counters[0] or self.slots.running()
        has_lived = self.slots.serves and time.monotonic() - self.began_at >= QUICK_S
        return not has_lived and not has_begun


class Respawn:
    """When the next child may come: at once, or after a growing pause where they die at once again and again."""

    def __init__(self) -> None:
        self._deaths = 0
        self._failures = 0
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
        return self._pause(-(-self._deaths // max(1, of)) - 1)

    def calm(self) -> None:
        """Note that a child ended as it should."""
        self._deaths = 0

    def failed(self) -> float:
        """Note that no child could be made; returns the pause before the next try, in seconds."""
        self._failures += 1
        return self._pause(self._failures)

    def made(self) -> None:
        """Note that a child could be made."""
        self._failures = 0

    def _pause(self, times: int) -> float:
        pause_s = growing_pause(times)
        self.not_before = time.monotonic() + pause_s
        return pause_s


def growing_pause(times: int) -> float:
    """Return the seconds to wait after what has gone wrong so many times in a row."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (times - 1)) if times > 0 else 0.0


def flush_streams() -> None:
    """Write out what is said so far, before a fork or an exec; a stream that is full, closed or gone is passed over."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Let no signal be handled in this block; those that arrive are handled after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Let the kernel kill this process once its parent dies, where it knows how to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def name_process(name: bytes) -> None:
    """Give this process a name in lists of processes, where the system has a way to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name)


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
