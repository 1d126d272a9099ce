"""The memory that a supervisor and its children share: whoever reads sees what is there, whenever the other writes."""

from __future__ import annotations

import os
import signal
import time

from qcore.envelope import Lease
from qcore.worker.slots import Holding, SlotMemory

LEASE = Lease(id="1", job="app:Mail", queue="default", payload=b"", token="w/1")
HELD = [Holding("default", "w/1", ["1"])]
_READ_S = 0.5
_TURN_S = 5.0
"""What the first turn counts as at the most."""


def test_nobody_reads_what_is_half_written() -> None:
    """A child without a name would be registered as nobody; one that never polled would be ended."""
    memory = SlotMemory(1, 2)
    written, read = memory.child(0), memory.child(0)
    written.clear()
    written.open("worker-1")
    written.begin(0, LEASE, 0.0)
    written.hold(HELD)
    pid = os.fork()
    if pid == 0:
        while True:
            written.turn()
            written.tell(serves=True, jobs=1, failures=0, busy_s=1.0)
    began = time.monotonic()
    seen = set()
    try:
        while time.monotonic() < began + _READ_S:
            is_fresh = began - 1 < read.polled_at < began + 1 + _READ_S
            seen.add(
                (read.worker, is_fresh, read.turned_unpolled_s <= _TURN_S, len(read.running()), len(read.holdings()))
            )
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert seen == {("worker-1", True, True, 1, 1)}
