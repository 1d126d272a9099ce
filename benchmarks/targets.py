"""What each figure must reach, and how far it is from that."""

from __future__ import annotations

from typing import NamedTuple

TIMES = chr(215)


class Target(NamedTuple):
    """A bound: at least so much, or at the most (`most`)."""

    value: float
    unit: str = "/s"
    most: bool = False
    of_bare: bool = False
    """The value is a share of what the bare client does in the same run."""

    def __str__(self) -> str:
        sign = "≤" if self.most else "≥"
        return f"{sign} {self.value:g}{TIMES} bare" if self.of_bare else f"{sign} {shown(self.value, self.unit)}"

    def verdict(self, value: float | None, bare: float | None = None) -> str:
        """Whether a figure meets it, else by how much it does not."""
        if self.of_bare:
            value = value / bare if value is not None and bare else None
        if value is None:
            return "not measured"
        if value <= self.value if self.most else value >= self.value:
            return "met"
        return f"missed by {abs(value / self.value - 1):.0%}"


def _ms(value: float) -> Target:
    return Target(value, " ms", most=True)


TARGETS: dict[str, dict[str, Target]] = {
    "drain, 1 process": {
        "redis": Target(50_000),
        "postgresql": Target(30_000),
        "sqlite": Target(50_000),
        "mariadb": Target(15_000),
    },
    "drain, 2 processes": {"redis": Target(90_000), "postgresql": Target(45_000)},
    "dispatch one by one": {
        "redis": Target(0.7, of_bare=True),
        "postgresql": Target(3_000),
        "sqlite": Target(10_000),
    },
    "dispatch_many": {"redis": Target(120_000), "postgresql": Target(100_000), "sqlite": Target(110_000)},
    "pickup p50": {"redis": _ms(0.4), "postgresql": _ms(1.5), "sqlite": _ms(2)},
    "pickup p99": {"redis": _ms(1.0), "postgresql": _ms(5), "sqlite": _ms(8)},
    "idle memory, PSS": {
        "redis": Target(55, " MB", most=True),
        "sqlite": Target(55, " MB", most=True),
        "postgresql": Target(70, " MB", most=True),
    },
    "qctl --help": {"": Target(0.10, " s", most=True)},
}
"""Measure → store → bound. What has none is measured all the same."""

IDLE = Target(1.0, " %", most=True)
"""Of a core, for a worker that has nothing to do."""

SPACED_PICKUP = {
    "sqlite": {0.5: _ms(3), 0.99: _ms(15)},
    "redis": {0.5: _ms(2), 0.99: _ms(15)},
    "postgresql": {0.5: _ms(2), 0.99: _ms(15)},
    "mariadb": {0.5: _ms(30), 0.99: _ms(60)},
}
"""Store → share of the dispatches → bound: what a worker promises on any machine, where `TARGETS` is ambition."""

PRICES = {
    "signed": Target(0.9, TIMES),
    "measured": Target(0.95, TIMES),
    "encrypted": Target(0.7, TIMES),
    "three middleware that call next": Target(0.9, TIMES),
}
"""What a job asks for → share of the jobs a second that it must leave, beside those that do not ask for it."""

BATCHED = 1.3
"""What a job of a batch may cost at the most, beside a plain one: dispatch and drain together."""

LIMITED = Target(0.95, TIMES)
"""Of a rate limit, what workers must use that have enough to do."""

FULL = 0.9
"""Of what the waiting alone allows, where several jobs wait at a time."""

UNITS = {"pickup p50": " ms", "pickup p99": " ms", "idle memory, PSS": " MB", "qctl --help": " s"}
"""Of the measures that are no rates."""

FLAT = Target(1.3, TIMES, most=True)
"""Cost per job at the largest size, in that of 1,000 jobs."""

LOOKING = Target(1.5, TIMES, most=True)
"""What `qctl stats` may take with a million jobs stored, in what it takes with 1,000."""

PEERS: dict[str, dict[str, dict[str, float]]] = {
    "redis": {
        "huey redis, threads x1": {"drain1": 5, "drain2": 9},
        "huey redis, threads x4": {"drain1": 5, "drain2": 9},
        "taskiq redis stream": {"drain1": 11},
    },
    "postgresql": {"pgqueuer, batch 100": {"drain1": 1.8, "drain2": 1.8}},
    "sqlite": {"huey sqlite, threads x1": {"drain1": 11}},
}
"""Store → peer → measure → how many times as fast ours must be."""


def shown(value: float | None, unit: str = "/s") -> str:
    """A figure as a person reads it."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004  three figures tell enough
    return f"{value:,.{digits}f}{unit}"
