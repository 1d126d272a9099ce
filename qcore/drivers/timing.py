"""How quickly a store answers, and what time it thinks it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def timed(ask: Callable[[], int]) -> dict[str, Any]:
    """Ask a store for its time, in microseconds; returns the fields of `StoreFacts` that tell of it.

    The store looked at its clock somewhere between question and answer: half-way, as far as anybody knows.
    """
    host_us, began = time.time_ns() // 1000, time.perf_counter()
    now_us = ask()
    latency_s = time.perf_counter() - began
    return {"now_us": now_us, "latency_s": latency_s, "skew_s": (now_us - host_us) / 1e6 - latency_s / 2}
