"""Who dispatches in the made-up shop: a stock to begin with, then more and less of everything, as customers come."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from qcore import Job, QueueManager, batch, chain, dispatch_many, workflow
from qctl.demo.jobs import (
    AskPartner,
    ChargeCard,
    ImportRow,
    MonthlyReport,
    Newsletter,
    SendReceipt,
    Step,
    SyncStock,
    Thumbnail,
)

_REGIONS = ("north", "south", "east", "west")
_WAVE_S = 40.0
"""From one rush of customers to the next."""
_EVERY_S = {"batch": 15.0, "chain": 6.0, "graph": 25.0, "reports": 30.0, "newsletter": 20.0}
_HOUR_S = 3600.0


class Traffic:
    """Dispatches what such a shop would.

    Args:
        rate: jobs a second, on the average.
        seed: of the chance by which it goes.
    """

    def __init__(self, rate: float, seed: int = 1) -> None:
        self._rate = rate
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._owed = 0.0
        self._due = dict.fromkeys(_EVERY_S, 0.0)
        self._orders = 1000
        self.jobs = self.flows = 0
        """Dispatched so far."""

    def fill(self, count: int) -> None:
        """Dispatch a stock of so many plain jobs, some for later, and one of each of the rest.

        Args:
            count: jobs.
        """
        QueueManager.rate_limit("partners", max_jobs=60, per_seconds=60)
        later = max(1, count // 10)
        self._dispatch([*self._plain(count - later), *(self._later() for _ in range(later))])
        self._dispatch([Newsletter(reader) for reader in range(12)])
        for kind in ("batch", "chain", "graph", "reports"):
            self._one_of(kind)

    def tick(self, now_s: float, passed_s: float) -> None:
        """Dispatch what has come up.

        Args:
            now_s: seconds since the beginning.
            passed_s: seconds since the tick before.
        """
        self._owed += passed_s * self._rate * (1 + 0.8 * math.sin(math.tau * now_s / _WAVE_S))
        count = int(self._owed)
        self._owed -= count
        if count:
            self._dispatch(list(self._plain(count)))
        for kind, every_s in _EVERY_S.items():
            if now_s >= self._due[kind]:
                self._due[kind] = now_s + every_s
                self._one_of(kind)

    def _plain(self, count: int) -> Iterator[Job]:
        for _ in range(count):
            kind, number = self._chance.random(), self._chance.randrange(1, 500)
            if kind < 0.45:
                self._orders += 1
                tag = f"customer:{number % 40}"
                yield ChargeCard(self._orders, "4000 0000 0000 0002").with_tags(tag)
                yield self._receipt(number).with_tags(tag)
            elif kind < 0.7:
                yield Thumbnail(number).with_tags("catalogue")
            elif kind < 0.9:
                yield AskPartner(number)
            else:
                yield SyncStock(number % 20)

    def _receipt(self, customer: int) -> SendReceipt:
        """Mail to a customer, of whom a few have no address."""
        return SendReceipt(self._orders, f"customer{customer}@example.com" if customer % 30 else "nowhere")

    def _later(self) -> Job:
        due_s = self._chance.uniform(60.0, 6 * _HOUR_S)
        return self._receipt(self._chance.randrange(1, 500)).delay_until(due_s)

    def _one_of(self, kind: str) -> None:
        self._orders += 1
        order = self._orders
        match kind:
            case "batch":
                rows = [ImportRow(row) for row in range(self._chance.randrange(20, 60))]
                batch(rows).name(f"import {order}").allow_failures(10).dispatch()
                self._count(len(rows))
            case "chain":
                chain([Step(what, order) for what in ("pick", "pack", "ship")]).name(f"order {order}").dispatch()
                self._count(3)
            case "graph":
                graph = workflow(f"release {order}").add("build", Step("build", order))
                graph = graph.add("test", Step("test", order), after="build").add(
                    "lint", Step("lint", order), after="build"
                )
                graph.add("publish", Step("publish", order), after=["test", "lint"]).dispatch()
                self._count(4)
            case "reports":
                self._dispatch([MonthlyReport(region) for region in _REGIONS])
            case _:
                self._dispatch([Newsletter(order)])

    def _dispatch(self, jobs: Sequence[Job]) -> None:
        dispatch_many(jobs)
        self.jobs += len(jobs)

    def _count(self, members: int) -> None:
        self.jobs += members
        self.flows += 1
