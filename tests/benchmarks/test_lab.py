"""What a lab's workers run with is what was asked for: a benchmark at default settings measures jobs."""

from __future__ import annotations

import pytest

from benchmarks.lab import Lab
from benchmarks.pinning import pins
from benchmarks.stores import running
from qcore.monitor import JobMetrics

HIT = "benchmarks.bench_jobs:Hit"


@pytest.mark.slow
@pytest.mark.parametrize("measured", [True, False])
def test_jobs_are_measured_as_asked(measured: bool) -> None:
    pinned = pins("none")
    with running(["sqlite"], pinned.store) as (site,), Lab(site, pinned, measured=measured) as lab:
        with lab.workers(1):
            lab.fill_hits(20)
            lab.await_hits(20)
            lab.await_empty()
        with lab.manager.using():
            assert JobMetrics.get_job_metrics(HIT).processed == (20 if measured else 0)
