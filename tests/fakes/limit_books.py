"""When jobs started of late, by the store's clock, as the books of its limits have it."""

from __future__ import annotations

from typing import Any

from qcore import limits


def starts_of(store: Any) -> list[int]:
    """The starts of all sliding limits of up to 256 jobs that the store still knows of, in microseconds."""
    return [
        at
        for state in map(limits.unpack, _packed(store))
        for at, number in zip(state.starts[::2], state.starts[1::2], strict=True)
        for _ in range(number)
    ]


def most_within(instants: list[int], window_us: int) -> int:
    """The most of these instants that any window of that length holds."""
    ordered, most, first = sorted(instants), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - window_us:
            first += 1
        most = max(most, last - first + 1)
    return most


def _packed(store: Any) -> list[bytes]:
    if hasattr(store, "_server"):
        return list(store._server.call("HVALS", "{qctl}:limits"))
    say = store._link.limiting.say
    rows = store._link.run(lambda connection: say.page.run(connection, after="", most=100).all())
    return [bytes(state) for _, state in rows]
