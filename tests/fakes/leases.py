"""Leases that lapse."""

from __future__ import annotations

import time
from typing import Any

_WITHIN_S = 5.0


def await_reclaim(driver: Any, number: int) -> list[str]:
    """Reclaim until so many jobs were given back, sorted by id; fails when they do not come."""
    reclaimed: list[str] = []
    until = time.monotonic() + _WITHIN_S
    while len(reclaimed) < number and time.monotonic() < until:
        reclaimed.extend(driver.reclaim())
        if len(reclaimed) < number:
            let_pass(driver, 0.02)
    assert len(reclaimed) == number, f"{len(reclaimed)} of {number} leases lapsed within {_WITHIN_S} s"
    return sorted(reclaimed)


def let_pass(driver: Any, seconds: float) -> None:
    """Let the store's time pass, while nothing happens."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        driver.wait(["a queue without jobs"], left_s)
