"""Any argument that the codec takes comes out of a worker as it went in, on each store, encrypted and plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sealed_jobs as jobs
from fakes.managers import in_use
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.codec_kinds import same, values

from qcore import JobRecord, QueueManager, dispatch_many
from qcore.crypto.keyring import generate_key
from qcore.worker import StopReason

KEY = generate_key()


@pytest.fixture
def keyed(store_url: str) -> Iterator[QueueManager]:
    """A manager with a key, on each kind of store that outlives a process."""
    with in_use({"url": store_url, "key": KEY}) as manager:
        yield manager


@pytest.mark.parametrize("job", [jobs.Plain, jobs.Hushed, jobs.Whispered], ids=["plain", "encrypted", "sensitive"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=st.lists(values, min_size=5, max_size=40))
def test_arguments_and_results_come_back(
    keyed: QueueManager, work: Callable[..., StopReason], job: type[jobs.Plain], some: list[Any]
) -> None:
    jobs.HEARD.clear()
    ids = dispatch_many(job(value) for value in some)
    work()
    assert same([value for _, value in jobs.HEARD], some)
    assert same([JobRecord.find(job_id).result for job_id in ids], some)
