"""A supervisor that becomes a new one: the same pid, the same children, new code.

First its command line is tried by a process of its own, which goes as far as the first child and no further. If that
ends well the supervisor re-executes the same line. What must not be lost goes along: the shared memory by its
descriptor, the children by pid, block and duty, in memory that one environment variable leads to, which the new
supervisor takes and removes. The code may have changed once more by then, and fail: so what goes along is enough to
go on over the children without it (`pool.outlive`).
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from qcore.config import ConnectionSettings
from qcore.errors import ConfigurationError
from qcore.records import WorkerCommand
from qcore.worker.children import Child, Duty, flush_streams
from qcore.worker.options import SupervisorOptions
from qcore.worker.slots import LAYOUT, SlotMemory, anonymous

_VERSION = 2
"""To be raised when something in `Inheritance` or in the shared memory gets another meaning."""
_STATE = "QCTL_SUPERVISOR_STATE"
_TRIAL = "QCTL_SUPERVISOR_TRIAL"
_TRIAL_WITHIN_S = 60.0


class Survivor(msgspec.Struct, frozen=True, array_like=True):
    """A child that lives on under the new supervisor."""

    index: int
    """Of its block."""
    pid: int
    duty: Duty
    began_at: float
    """Monotonic seconds."""
    ends_by: float
    """The same; 0 where it was not told to stop."""


class Inheritance(msgspec.Struct, frozen=True, array_like=True):
    """What a supervisor leaves to the one it becomes."""

    id: str
    descriptor: int
    children: int
    slots: int
    is_paused: bool
    watch: tuple[int, int] | None
    """`CodeWatch.handle`, where there is one."""
    lifeline: tuple[int, int] | None
    """`Lifeline.ends`, where there is one."""
    minder: int | None
    """Pid of the process that beats for the children meanwhile, where there is one."""
    living: tuple[Survivor, ...]
    served: tuple[ConnectionSettings, ...]
    """That the children serve."""
    queues: tuple[str, ...]
    """The same."""
    options: SupervisorOptions
    taken: dict[str, tuple[WorkerCommand, ...]] = {}
    """Commands that were obeyed, and that their stores, by connection, may give again."""


def _format() -> str:
    told = (LAYOUT, *(one.__struct_fields__ for one in (Inheritance, Survivor, Duty, WorkerCommand)))
    return f"{_VERSION}.{zlib.crc32(repr(told).encode()):08x}"


FORMAT = _format()
"""What a supervisor and the one that it becomes must have in common; another one where fields or places are others."""


def inherit() -> Inheritance | None:
    """Take what the supervisor before left behind in this process, once; None at a first start.

    Raises:
        ConfigurationError: it is of another format.
    """
    told = os.environ.pop(_STATE, "")
    if not told:
        return None
    form, _, number = told.partition(" ")
    _require_format(form)
    descriptor = int(number)
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    os.close(descriptor)
    return msgspec.msgpack.decode(data, type=Inheritance)


def survivor(child: Child) -> Survivor:
    """Describe a child for the supervisor to come."""
    return Survivor(child.index, child.pid, child.duty, child.began_at, child.ends_by if child.is_leaving else 0.0)


def revived(inherited: Inheritance, memory: SlotMemory) -> list[Child]:
    """Return the children that live on, in the memory that they have."""
    children = []
    for one in inherited.living:
        child = Child(one.index, memory.child(one.index, one.duty.places), one.pid, one.duty, one.began_at)
        child.ends_by = one.ends_by or math.inf
        children.append(child)
    return children


def is_trial() -> bool:
    """Whether this process only finds out if the code would start.

    Raises:
        ConfigurationError: it is, and could not take over from the supervisor that asks.
    """
    if _TRIAL not in os.environ:
        return False
    _require_format(os.environ[_TRIAL])
    return True


class Trial:
    """Finds out whether the command line of this process would still start, in a process of its own.

    To be made while signals are held, as they are there: what is sent to the supervisor's group is not meant for it.

    Raises:
        OSError: the system has no room for another process.
    """

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the result
        self._until = time.monotonic() + _TRIAL_WITHIN_S
        self._process = subprocess.Popen(  # noqa: S603  our own command line, no shell
            [sys.executable, *sys.orig_argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            env=os.environ | {_TRIAL: FORMAT},
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def result(self) -> str | None:
        """Return what is wrong, empty if nothing is; None while that is not known."""
        code = self._process.poll()
        if code is None and time.monotonic() < self._until:
            return None
        if code is None:
            self.close()
            return f"it did not start within {_TRIAL_WITHIN_S:.0f} s"
        with self._said:
            self._said.seek(0)
            said = self._said.read().decode(errors="replace")
        return _complaint(said.strip().splitlines(), code) if code else ""

    def close(self) -> None:
        """End it, whatever the result would be."""
        self._process.kill()
        self._process.wait()
        self._said.close()


def become(state: Inheritance) -> NoReturn:
    """Re-execute this process's command line, and leave everything to it.

    Raises:
        OSError: the interpreter could not be executed; this process goes on.
    """
    flush_streams()
    os.set_inheritable(state.descriptor, True)  # noqa: FBT003  the call has no name for it
    data = msgspec.msgpack.encode(state, enc_hook=_nothing)
    descriptor = anonymous(len(data))  # an environment is small, and shown to others: there are passwords in this
    try:
        os.pwrite(descriptor, data, 0)
        os.environ[_STATE] = f"{FORMAT} {descriptor}"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  itself
    except OSError:
        os.environ.pop(_STATE, None)
        os.close(descriptor)
        raise


def _nothing(_option: object) -> None:
    """Leave out of a connection's options what only code can make."""


def _require_format(theirs: str) -> None:
    if theirs != FORMAT:
        raise ConfigurationError(
            f"the package has changed too much to take over workers that run (format {FORMAT}, theirs is {theirs}): "
            "stop them and start anew",
        )


def _complaint(lines: Sequence[str], code: int) -> str:
    """Find the line that says why: the first that is marked as an error, else the last, as in a traceback."""
    marked = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return [*marked[:1], *lines[-1:], f"it ended with code {code}"][0]
