"""Which processors clients and stores run on: what waits for round trips moves several-fold with it."""

from __future__ import annotations

import os
from typing import NamedTuple

CHOICES = ("none", "apart", "one")


class Pins(NamedTuple):
    """Processors by number; empty where the scheduler chooses."""

    name: str
    store: set[int]
    clients: set[int]


def pins(choice: str) -> Pins:
    """`apart`: the store has the last processor for itself; `one`: everything shares the first."""
    cpus = sorted(os.sched_getaffinity(0))
    if choice == "apart" and len(cpus) > 1:
        return Pins(choice, {cpus[-1]}, set(cpus[:-1]))
    if choice == "one":
        return Pins(choice, {cpus[0]}, {cpus[0]})
    return Pins("none", set(), set())


def pin(pid: int, cpus: set[int]) -> None:
    """Keep a process, and what it will start, on these processors."""
    if cpus:
        os.sched_setaffinity(pid, cpus)
