"""Ending a worker's process at once: only where the process of that number is still the worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import psutil

from qctl import format as fmt

if TYPE_CHECKING:
    from qcore.monitor.snapshots import WorkerSnapshot

_EARLIER_S, _LATER_S = 120.0, 2.0
"""Seconds that a process may be older, and by its clock younger, than what runs in it."""


def kill(workers: Sequence[WorkerSnapshot]) -> str:
    """Kill the processes of workers on this host; returns what came of it, in one line."""
    killed = 0
    for one in workers:
        try:
            reason = _reason_against(one)
            if reason is None:
                os.kill(one.pid, signal.SIGKILL)
                killed += 1
        except OSError as error:
            reason = error.strerror
        if reason is not None:
            told = f", after {fmt.plural(killed, 'process')}" if killed else ""
            return f"did not kill {one.id.rpartition(':')[2]}, pid {one.pid}: {reason}{told}"
    return f"killed {fmt.plural(killed, 'process')}"


def _reason_against(worker: WorkerSnapshot) -> str | None:
    """Why the process of a worker's number is not the worker; None if it is.

    A host's name may be that of another host, or of a container with numbers of its own; and numbers are used again.
    """
    try:
        process = psutil.Process(worker.pid)
        began_s, uid = process.create_time(), process.uids().real
    except psutil.Error:
        return "there is no such process here"
    older_s = worker.started_at.timestamp() - began_s
    if not -_LATER_S <= older_s <= _EARLIER_S:
        return "the process of that number began at another time"
    return None if os.geteuid() in {0, uid} else "it is somebody else's"
