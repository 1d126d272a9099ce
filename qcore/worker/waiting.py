"""Waiting for work on one connection or on several."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from qcore.worker.lane import Lane


def wait_for_work(lanes: Sequence[Lane], timeout_s: float) -> None:
    """Return when one of the connections may have work, or after `timeout_s` seconds.

    Raises:
        ConnectionFailed: a store does not answer.
    """
    if len(lanes) == 1:
        lanes[0].store.wait(lanes[0].queues, timeout_s)
        return
    with ThreadPoolExecutor(len(lanes)) as pool:
        waits = [pool.submit(lane.store.wait, lane.queues, timeout_s) for lane in lanes]
        done, _ = wait(waits, return_when=FIRST_COMPLETED)
        for lane, one in zip(lanes, waits, strict=True):
            if one not in done:
                lane.store.wake()
    for one in done:
        one.result()
