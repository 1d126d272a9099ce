"""What happens between the moment a job is ready to run and `handle`: most jobs need nothing of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qcore.envelope import Exclusive, Lease, Start, Started, StartVerdict
from qcore.errors import ConnectionFailed
from qcore.worker.ends import handed_back
from qcore.worker.lane import Lane

if TYPE_CHECKING:
    from qcore.jobs.options import JobOptions
    from qcore.settlement import Settlement

_PAUSES_S = (0.02, 0.2)
"""Before the store is asked again that did not answer; then the job waits again."""
_SOON_US = 10_000
"""A slot that is so near is waited for: to give the job back and take it again would cost as much."""
_SILENT_US = 1_000_000
"""How long a job waits whose store did not answer."""


def start(lane: Lane, lease: Lease, options: JobOptions) -> Settlement | None:
    """Ask the store whether the job may run now; returns the attempt's end where it must not.

    A job that is kept back waits again, uncharged. One whose lease was lost is given back too, which the store
    refuses: so it is told as lost, and nothing else happens.
    """
    overlap, of_queue = options.overlap, lane.limited.get(lease.queue)
    wanted = Start(
        id=lease.id,
        token=lease.token,
        lock=lease.lock if options.until_start else None,
        exclusive=Exclusive(overlap.key, overlap.expire_us) if overlap is not None else None,
        limits=options.limits if of_queue is None else (*options.limits, of_queue),
    )
    if wanted.lock is None and wanted.exclusive is None and not wanted.limits:
        return None
    try:
        answer = _asked(lane, wanted)
        if answer.is_slot and answer.delay_us <= _SOON_US:
            time.sleep(answer.delay_us / 1_000_000)
            answer = _asked(lane, wanted)
    except ConnectionFailed:
        return handed_back(lease, _SILENT_US)
    if answer.verdict is StartVerdict.STARTED:
        return None
    if answer.verdict is StartVerdict.LOST:
        return handed_back(lease)
    pause_us = overlap.release_us if overlap is not None and not answer.is_slot else 0
    return handed_back(lease, max(answer.delay_us, pause_us, 1))


def _asked(lane: Lane, wanted: Start) -> Started:
    for pause_s in _PAUSES_S:
        try:
            return lane.start(wanted)
        except ConnectionFailed as error:
            if error.is_refusal:
                raise
            time.sleep(pause_s)
    return lane.start(wanted)
