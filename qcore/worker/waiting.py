"""Waiting for work on one connection or on several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from qcore.errors import ConnectionFailed
from qcore.worker.lane import Lane


def wait_for_work(lanes: Sequence[Lane], timeout_s: float, failed: Callable[[Lane, ConnectionFailed], None]) -> None:
    """Return when one of the connections may have work, or after `timeout_s` seconds.

    Args:
        lanes: whose connections to wait on.
        timeout_s: seconds at the most.
        failed: told which connection did not answer.
    """
    if len(lanes) == 1:
        _wait(lanes[0], timeout_s, failed)
        return
    with ThreadPoolExecutor(len(lanes)) as pool:
        waits = {pool.submit(_wait, lane, timeout_s, failed): lane for lane in lanes}
        done, others = wait(waits, return_when=FIRST_COMPLETED)
        for one in others:
            waits[one].store.wake()
    for one in done:
        one.result()


def _wait(lane: Lane, timeout_s: float, failed: Callable[[Lane, ConnectionFailed], None]) -> None:
    try:
        lane.store.wait(lane.queues, timeout_s)
    except ConnectionFailed as error:
        failed(lane, error)
