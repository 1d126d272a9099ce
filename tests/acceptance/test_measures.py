"""Whoever is asked gives the same figures: `qctl stats`, `qctl metrics`, Prometheus and `JobMetrics`, on each store."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from fakes.values import cancelled, completed, envelopes, failed, released
from fakes.worker import FakeWorker
from prometheus_client.parser import text_string_to_metric_families

from qcore import JobMetrics, QueueManager
from qcore.config import load_settings
from qcore.envelope import Lease
from qcore.settlement import Settlement

pytestmark = pytest.mark.slow

NUMBER = 30_000
CLASSES = ("shop:Mail", "shop:Report", "shop.jobs:Bill")
QUEUES = ("emails", "reports")


class Truth:
    """What was done, as the test itself counted it."""

    def __init__(self) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()
        self.by_queue: Counter[tuple[str, str]] = Counter()
        self.runtimes: dict[str, list[float]] = {name: [] for name in CLASSES}

    def end(self, lease: Lease, chance: random.Random) -> Settlement:
        """End a job somehow, after a time that is known."""
        runtime_s = 10 ** chance.uniform(-4, 1.5)
        kind = chance.choices(("completed", "failed", "released", "cancelled"), (90, 5, 3, 2))[0]
        self.ends[lease.job, kind] += 1
        self.by_queue[lease.queue, kind] += 1
        if kind in {"completed", "failed"}:
            self.runtimes[lease.job].append(runtime_s)
        waited_us = chance.randrange(1_000_000)
        if kind == "released":
            return released(lease, delay_s=3600, runtime_s=runtime_s, waited_us=waited_us)
        make = {"completed": completed, "failed": failed, "cancelled": cancelled}[kind]
        return make(lease, runtime_s=runtime_s, waited_us=waited_us)

    def quantile(self, job: str, share: float) -> float:
        """The true one: the nearest rank."""
        ordered = sorted(self.runtimes[job])
        return ordered[ceil(share * len(ordered)) - 1]


@pytest.fixture
def manager(store_url: str) -> Iterator[QueueManager]:
    manager = QueueManager(load_settings({"url": store_url}, environ={}))
    with manager.using():
        yield manager
    manager.close()


@pytest.fixture
def truth(manager: QueueManager) -> Truth:
    """Ends of so many jobs of known durations, of three classes in two queues."""
    truth, chance, store = Truth(), random.Random(7), manager.connection()
    worker = FakeWorker(store, *QUEUES)
    for turn in range(NUMBER // 1000):
        jobs = [job for n in range(1000) for job in envelopes(1, queue=QUEUES[n % 2], job=CLASSES[(turn + n) % 3])]
        store.push(jobs)
        assert not store.settle([truth.end(lease, chance) for lease in worker.reserve(1000)])
    return truth


def qctl(url: str, folder: Path, *words: str) -> str:
    """What the tool prints."""
    environ = {**os.environ, "QCTL_URL": url}
    ended = subprocess.run(
        [sys.executable, "-m", "qctl", *words], cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    return ended.stdout


def samples(text: str, family: str) -> dict[tuple[str, str], float]:
    """The values of a family of Prometheus, by queue and class."""
    (found,) = [one for one in text_string_to_metric_families(text) if one.name == family]
    return {(s.labels["queue"], s.labels["job"]): s.value for s in found.samples if s.name == f"{family}_total"}


def test_four_answers_agree_and_are_true(store_url: str, manager: QueueManager, truth: Truth, tmp_path: Path) -> None:
    stats = json.loads(qctl(store_url, tmp_path, "stats", "--json"))["data"]
    metrics = json.loads(qctl(store_url, tmp_path, "metrics", "--json"))["data"]
    prometheus = qctl(store_url, tmp_path, "metrics", "--prometheus")
    by_class = {one["name"]: one for one in metrics["jobs"]}
    done, lost = samples(prometheus, "qctl_jobs_completed"), samples(prometheus, "qctl_jobs_failed")

    for job in CLASSES:
        expected = {kind: truth.ends[job, kind] for kind in ("completed", "failed", "released", "cancelled")}
        told = by_class[job]
        assert {
            "completed": told["processed"],
            "failed": told["failed"],
            "released": told["released"],
            "cancelled": told["cancelled"],
        } == expected
        assert sum(value for (_, name), value in done.items() if name == job) == expected["completed"]
        assert sum(value for (_, name), value in lost.items() if name == job) == expected["failed"]
        fares = JobMetrics.get_job_metrics(job)
        assert (fares.processed, fares.failed) == (expected["completed"], expected["failed"])
        _compare_times(truth, job, told["runtime"], fares)

    for queue in stats["queues"]:
        name = queue["name"]
        assert queue["completed"] == truth.by_queue[name, "completed"]
        assert queue["failed"] == truth.by_queue[name, "failed"]
        assert queue["cancelled"] == truth.by_queue[name, "cancelled"]
        assert queue["completed"] == sum(value for (of, _), value in done.items() if of == name)
        assert JobMetrics.get_queue_stats(name).completed == queue["completed"]
    of_queues: dict[str, Any] = {one["name"]: one for one in metrics["queues"]}
    assert {name: one["processed"] for name, one in of_queues.items()} == {
        name: truth.by_queue[name, "completed"] for name in QUEUES
    }


def _compare_times(truth: Truth, job: str, told: dict[str, float], fares: Any) -> None:
    for share, key, name in ((0.5, "p50_s", "p50"), (0.95, "p95_s", "p95"), (0.99, "p99_s", "p99")):
        assert told[key] == pytest.approx(truth.quantile(job, share), rel=0.05)
        assert getattr(fares, name) == pytest.approx(told[key])
    mean = sum(truth.runtimes[job]) / len(truth.runtimes[job])
    assert told["avg_s"] == pytest.approx(mean, rel=0.0001)
