"""How many processes each queue of a pool should have. Pure: loads in, numbers out; nothing is asked or changed.

A queue's ideal is what clears it within a second, never less than the floor and never more than its jobs can keep
busy. Where the ideals together are more than the pool may have, they shrink to shares in proportion to the time it
takes to clear each queue (or to its jobs). A queue follows its ideal a few processes at a time, and only once it is
more than a part of a process away, so that a load that hardly changes leaves everything where it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

CLEAR_WITHIN_S = 1.0
"""A queue has enough processes when they clear it so soon."""
BAND = 0.25
"""Of a process: how far an ideal may rise above a queue's processes before another one comes."""
PATIENCE = 3
"""Looks in a row that must find a process too many before it is let go."""
_STEPS = 50
_NOTHING = 1e-6
"""What arithmetic may add to a whole number."""


class Load(msgspec.Struct, frozen=True):
    """What one queue, or all queues of a pool that is not balanced, has to do."""

    jobs: int
    """That wait, due, or run."""
    work_s: float
    """Seconds they will take, all together, one after the other."""
    processes: int
    """That serve it now."""


class BalanceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool is balanced."""

    min_processes: int = 1
    """Of each queue."""
    max_processes: int = 1
    """Of all queues together."""
    max_shift: int = 1
    """The most by which a queue's processes change at a time."""
    by_size: bool = False
    """Share by jobs, not by the time it takes to clear them."""
    places: int = 1
    """Jobs that a process runs at a time."""


def even(queues: Sequence[str], processes: int) -> dict[str, int]:
    """Split processes evenly; the first queues get those that are left over."""
    share, left = divmod(processes, len(queues))
    return {queue: share + (number < left) for number, queue in enumerate(queues)}


def ideals(loads: Mapping[str, Load], options: BalanceOptions) -> dict[str, float]:
    """Say how many processes each queue deserves, in parts of a process; together at most the pool's most."""
    floor = float(options.min_processes)
    caps = {queue: max(floor, _enough(load, options)) for queue, load in loads.items()}
    if sum(caps.values()) <= options.max_processes:
        return caps
    weights = {queue: float(load.jobs) if options.by_size else load.work_s for queue, load in loads.items()}
    low, high = 0.0, max(caps[queue] / weight for queue, weight in weights.items() if weight > 0)
    shares = dict.fromkeys(loads, floor)
    for _ in range(_STEPS):  # the scale at which the shares, cut to floor and cap, fill the pool
        scale = (low + high) / 2
        tried = {queue: min(caps[queue], max(floor, weight * scale)) for queue, weight in weights.items()}
        if sum(tried.values()) <= options.max_processes:
            low, shares = scale, tried
        else:
            high = scale
    return shares


def balance(
    loads: Mapping[str, Load], recent: Sequence[Mapping[str, float]], options: BalanceOptions
) -> dict[str, int]:
    """Say how many processes each queue should have next.

    Args:
        loads: by queue.
        recent: ideals of the last looks, this one's last; a queue shrinks only to what all of them allow.
        options: of the pool.

    Returns:
        For each queue at least `min_processes`, together at most `max_processes` (which must leave room for that).
    """
    now = recent[-1]
    wanted = {}
    for queue, load in loads.items():
        held = max(ideal.get(queue, 0.0) for ideal in recent) if len(recent) >= PATIENCE else math.inf
        goal = _towards(load.processes, now[queue], held)
        step = min(max(goal, load.processes - options.max_shift), load.processes + options.max_shift)
        wanted[queue] = max(options.min_processes, step)
    return _fitted(wanted, loads, now, options)


def _enough(load: Load, options: BalanceOptions) -> float:
    """Return the number of processes beyond which more would not help."""
    busy = load.jobs / options.places
    return busy if options.by_size else min(busy, load.work_s / CLEAR_WITHIN_S / options.places)


def _towards(processes: int, ideal: float, held: float) -> int:
    """Move to the ideal: up at once where it is more than the band above, down only as far as `held`."""
    up = math.ceil(ideal - BAND)
    if up > processes:
        return up
    return processes if math.isinf(held) else min(processes, math.ceil(held - _NOTHING))


def _fitted(
    wanted: dict[str, int], loads: Mapping[str, Load], ideal: Mapping[str, float], options: BalanceOptions
) -> dict[str, int]:
    """Take away what is too many for the pool: first from those that would grow, from the furthest above its ideal."""
    excess = sum(wanted.values()) - options.max_processes
    for _ in range(excess):
        above = [queue for queue, count in wanted.items() if count > options.min_processes]
        queue = max(above, key=lambda one: (wanted[one] > loads[one].processes, wanted[one] - ideal[one]))
        wanted[queue] -= 1
    return wanted
