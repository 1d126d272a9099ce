"""What is measured of jobs that a worker ran, as their author asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import metric_jobs as jobs
import pytest
from fakes.managers import in_use

from qcore import ConfigurationError, JobMetrics, QueueManager, dispatch_many
from qcore.monitor import Metrics

Work = Callable[..., Any]


def test_how_jobs_of_a_class_fare(real_manager: QueueManager, work: Work) -> None:
    dispatch_many([jobs.Lasts(0.001), jobs.Lasts(0.02), jobs.Lasts(0.02, "again"), jobs.Lasts(0.02, "badly")])
    work("measured")
    stats = JobMetrics.get_job_metrics("Lasts")
    assert (stats.processed, stats.failed, stats.retried, stats.success_rate) == (3, 1, 1, 0.75)
    assert stats.p50 == pytest.approx(0.02, rel=0.25)
    assert stats.min_execution_time < stats.avg_execution_time < stats.max_execution_time  # type: ignore[operator]
    assert stats.throughput == pytest.approx(4, rel=0.6)
    assert stats.memory is not None
    assert stats.memory > 2**20
    assert JobMetrics.get_job_metrics(jobs.Lasts).processed == 3
    assert JobMetrics.get_job_metrics("metric_jobs:Lasts", since=timedelta(days=2)).processed == 3


def test_how_a_queue_fares(real_manager: QueueManager, work: Work) -> None:
    dispatch_many([jobs.Lasts(0.001) for _ in range(3)])
    work("measured")
    jobs.Lasts(0.001).dispatch()
    figures = JobMetrics.get_queue_stats("measured")
    assert (figures.pending, figures.completed, figures.failed) == (1, 3, 0)
    assert figures.wait_time is not None
    assert 0 < figures.wait_time < 60
    assert figures.throughput > 0


def test_of_what_never_ran_nothing_is_known(real_manager: QueueManager) -> None:
    stats = JobMetrics.get_job_metrics("Nothing")
    assert (stats.processed, stats.success_rate, stats.p99, stats.throughput) == (0, None, None, 0.0)
    assert JobMetrics.get_queue_stats("nowhere").wait_time is None


def test_a_trend_adds_up(real_manager: QueueManager, work: Work) -> None:
    dispatch_many([jobs.Lasts(0.0) for _ in range(7)])
    work("measured")
    for since_s in (60.0, 3600.0, 2 * 86400.0, 40 * 86400.0):
        found = Metrics(real_manager).of(since_s=since_s)
        assert sum(found.totals.trend) == 7
        assert len(found.totals.trend) * found.step_s >= since_s
        assert [(one.name, one.processed) for one in found.queues] == [("measured", 7)]
        assert [(one.name, one.processed) for one in found.jobs] == [("metric_jobs:Lasts", 7)]
    assert not Metrics(real_manager).of(queue="other").jobs


@pytest.mark.parametrize("bad", [{"since_s": 0.0}, {"step_s": -1.0}])
def test_a_time_that_is_none_is_refused(real_manager: QueueManager, bad: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="longer than nothing"):
        Metrics(real_manager).of(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_what_runs_where_it_is_dispatched_is_timed(ends: str) -> None:
    with in_use({"url": "sync://"}) as manager:
        with suppress(ValueError):
            jobs.Lasts(0.02, ends).dispatch()
        runtime = Metrics(manager).of().totals.runtime
    assert runtime is not None
    assert 0.02 <= runtime.avg_s < 1
