"""Looking at a store for the checks of its health."""

from __future__ import annotations

import pytest
from fakes.managers import in_use
from fakes.values import envelopes, failed
from fakes.worker import FakeWorker

from qcore import ConfigurationError
from qcore.monitor.observing import observe


@pytest.mark.parametrize(("most", "counted"), [(0, 1), (119, 120), (149, 150), (150, 150), (500, 150)])
def test_failed_jobs_are_counted_up_to_one_more(most: int, counted: int) -> None:
    with in_use({"url": "memory://"}) as manager:
        store = manager.connection()
        store.push(envelopes(150))
        assert not store.settle([failed(lease) for lease in FakeWorker(store).reserve(150)])
        assert observe(manager, max_failed=most).failed_lately == counted


def test_a_store_that_is_not_there_is_told_of() -> None:
    with in_use({"url": "redis://127.0.0.1:1"}) as manager:
        seen = observe(manager)
        assert (seen.facts, seen.counts, seen.signs) == (None, None, "")
        assert "refused" in seen.trouble


def test_a_connection_that_nobody_configured() -> None:
    with in_use({"url": "memory://"}) as manager, pytest.raises(ConfigurationError):
        observe(manager, "nope")
