"""A producer in a process of its own: `python -m benchmarks.producer ACTION …`, on the store of QCTL_URL.

    pair N             dispatch one by one, in turns with the bare client doing the same
    many N             dispatch_many, 1,000 a call, in turns with the bare client
    pickup N           N dispatches 10 to 20 ms apart
    load RATE SECONDS  dispatches one by one at random instants, so many a second
    flood SECONDS      dispatches one by one, as fast as it can
    blobs N BYTES      one by one and many, with one large argument
    bulk N             dispatch_many, 1,000 a call, of jobs that are made as they go
    batch N            the same jobs as one batch; its memory after a tenth, and at the end

Prints what it measured as JSON: rates are jobs a second.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from benchmarks.bare import open_bare
from benchmarks.bench_jobs import TEMPLATE, USER, Blob, Hit, Spin, hit
from qcore import Job, batch, dispatch_many

THOUSAND = 1_000
_TURNS = 10


def main(action: str, *arguments: str) -> None:
    Hit.dispatch(repr(time.time()), USER, TEMPLATE)  # the connection is open before any clock runs
    print(json.dumps(ACTIONS[action](*map(float, arguments))))


def pair(count: float) -> dict[str, float]:
    """Both one by one, in turns, so that whatever else the machine does slows both."""
    bare = open_bare(os.environ["QCTL_URL"])
    turn = max(1, int(count) // _TURNS)
    ours, theirs = _in_turns(turn, lambda: Hit.dispatch(repr(time.time()), USER, TEMPLATE), bare.one)
    return {"rate": ours, "bare": theirs}


def many(count: float) -> dict[str, float]:
    """Both 1,000 a call; then the bare client drains what it stored."""
    bare = open_bare(os.environ["QCTL_URL"])
    calls = max(1, int(count) // THOUSAND // _TURNS)
    ours, theirs = _in_turns(calls, lambda: dispatch_many([hit() for _ in range(THOUSAND)]), bare.many)
    began = time.perf_counter()
    bare.drain()
    drained = calls * _TURNS * THOUSAND / (time.perf_counter() - began)
    return {"rate": ours * THOUSAND, "bare": theirs * THOUSAND, "bare_drain": drained}


def pickup(count: float) -> dict[str, float]:
    """When each dispatch returned, by when it was made."""
    returned = {}
    for _ in range(int(count)):
        time.sleep(random.uniform(0.010, 0.020))
        sent = repr(time.time())
        Hit.dispatch(sent, USER, TEMPLATE)
        returned[sent] = time.time()
    return returned


def load(rate: float, seconds: float) -> dict[str, float]:
    """Arrivals of a Poisson process; a dispatch that comes late is followed by the next at once."""
    began = due = time.perf_counter()
    sent = 0
    while (due := due + random.expovariate(rate)) < began + seconds:
        if (ahead := due - time.perf_counter()) > 0:
            time.sleep(ahead)
        hit(Spin).dispatch()
        sent += 1
    return {"rate": sent / (time.perf_counter() - began), "sent": sent}


def bulk(count: float) -> dict[str, float]:
    began = time.perf_counter()
    jobs = (hit() for _ in range(int(count)))
    while chunk := list(itertools.islice(jobs, THOUSAND)):
        dispatch_many(chunk)
    return {"seconds": time.perf_counter() - began}


def in_batch(count: float) -> dict[str, Any]:
    process, memory = psutil.Process(), {}

    def told(stored: int) -> None:
        if stored in (int(count) // _TURNS, int(count)):
            memory[stored] = process.memory_info().rss / 2**20

    began = time.perf_counter()
    batch_id = batch(hit() for _ in range(int(count))).name("bench").dispatch(told=told)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "id": batch_id, "memory": [memory[one] for one in sorted(memory)]}


def flood(seconds: float) -> dict[str, float]:
    began, sent = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        hit().dispatch()
        sent += 1
    return {"rate": sent / (time.perf_counter() - began), "sent": sent}


def blobs(count: float, size: float) -> dict[str, float]:
    body = "x" * int(size)

    def blob() -> Job:
        return Blob(repr(time.time()), body)

    singly = int(count) / _seconds(lambda: [blob().dispatch() for _ in range(int(count))])
    chunk = min(THOUSAND, int(count))
    calls = int(count) // chunk
    bulk = calls * chunk / _seconds(lambda: [dispatch_many([blob() for _ in range(chunk)]) for _ in range(calls)])
    return {"rate": singly, "bulk": bulk, "sent": int(count) + calls * chunk}


def _in_turns(turn: int, *acts: Callable[[], object]) -> tuple[float, ...]:
    """Let each act so many times in turns; returns the rate of each."""
    took = [0.0] * len(acts)
    for _ in range(_TURNS):
        for number, act in enumerate(acts):
            took[number] += _seconds(lambda act=act: [act() for _ in range(turn)])  # type: ignore[misc]
    return tuple(turn * _TURNS / seconds for seconds in took)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    **{one.__name__: one for one in (pair, many, pickup, load, flood, blobs, bulk)},
    "batch": in_batch,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
