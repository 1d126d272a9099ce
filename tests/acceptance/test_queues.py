"""The queue configuration of the requirements, pasted into an app module, is what worker and tool go by."""

from __future__ import annotations

import pytest
from homes import Home

HIGH = "from jobs import *; SendEmailJob('user@example.com', 'High', '').on_queue('high-priority').dispatch()"


@pytest.fixture
def configured(home: Home) -> Home:
    home.environment["QCTL_APP"] = "queues"
    return home


def test_a_queue_lives_on_the_connection_that_its_definition_names(configured: Home) -> None:
    configured.python("from jobs import *; SendEmailJob.dispatch('user@example.com', 'Welcome', 'Hello!')")
    assert (configured.folder / "queue.db").exists()
    configured.work("--queue=emails")
    assert configured.subjects() == ["Welcome"]


def test_tries_come_from_the_queue_where_the_job_says_nothing(configured: Home) -> None:
    configured.python("from jobs import *; ReportJob.dispatch()")
    configured.work("--queue=emails")
    [job] = configured.json("failed")["jobs"]
    assert job["attempts"] == 5


def test_a_full_queue_refuses_and_stores_nothing(configured: Home) -> None:
    program = """
from jobs import SendEmailJob
from qcore import QueueFullError
for subject in ("1", "2", "3"):
    try:
        SendEmailJob("user@example.com", subject, "").on_queue("small").dispatch()
    except QueueFullError as error:
        print("refused", subject, "small" in str(error))
"""
    assert configured.python(program).split() == ["refused", "3", "True"]
    assert configured.queue("small")["pending"] == 2


def test_a_store_without_an_address_is_one_clear_error(configured: Home) -> None:
    error = configured.run("python", "-c", HIGH, expect=1).stderr.splitlines()[-1]
    assert "ConfigurationError" in error
    assert "redis_cache" in error


@pytest.mark.server
@pytest.mark.parametrize("store_url", ["redis"], indirect=True)
def test_two_stores_behind_one_worker(configured: Home, store_url: str) -> None:
    configured.environment["REDIS_CACHE"] = store_url
    configured.run("python", "dispatching.py")
    configured.python(HIGH)
    configured.work("--queue=high-priority,emails")
    assert configured.subjects() == ["Now", "High", "Welcome", "News"]
