"""What a job writes to its own log shows nothing of what is hidden, through whichever library it is written."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import sealed_jobs as jobs
import structlog
from forging import KEYS, opened

from qcore import QueueManager, define_queue
from qcore.worker import StopReason

Work = Callable[..., StopReason]
SECRET = "4111-1111-1111-1234"


@pytest.fixture(params=["logging", "structlog"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Lines go to stderr as JSON: as nobody configured anything, and as an application configured structlog."""
    if request.param == "structlog":
        last = [structlog.processors.add_log_level, structlog.processors.format_exc_info]
        structlog.configure(
            processors=[*last, structlog.processors.JSONRenderer(default=str)],
            logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        )
    monkeypatch.setattr(logging.getLogger(jobs.__name__), "hasHandlers", lambda: False)
    yield request.param
    structlog.reset_defaults()


@pytest.fixture
def keyed(library: str) -> Iterator[QueueManager]:
    with opened("memory://", KEYS["hmac"]) as manager:
        yield manager


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The lines of jobs' own logs by what they say, none of which tells the secret."""
    said = capsys.readouterr().err
    assert SECRET[:9] not in said
    own = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {line["event"]: line for line in own if line.get("logger") == jobs.__name__}


@pytest.mark.parametrize("job", [jobs.LogsEncrypted, jobs.LogsSensitive, jobs.LogsPlain])
def test_in_a_worker(keyed: QueueManager, work: Work, capsys: pytest.CaptureFixture[str], job: Any) -> None:
    define_queue("hushed", encryption_enabled=job is jobs.LogsPlain)
    job_id = job(SECRET).on_queue("hushed").dispatch()
    work("hushed")
    told = lines(capsys)
    took = told["took •••"]
    assert (took["job_id"], took["attempt"], took["number"]) == (job_id, 1, 7), "the rest is told"
    assert (took["bound"], took["field"], took["inside"]) == ("•••", "•••", {"some": ["•••"]})
    assert "ValueError: no luck with •••" in told["it went wrong"]["exception"]
    assert "gave up on •••" in told
    if job is not jobs.LogsPlain:
        assert "made of '•••'" in told or "made of •••" in told


def test_in_a_worker_also_before_the_constructor_says_what_is_sensitive(
    keyed: QueueManager, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.LogsEarly(SECRET, also={"pin": SECRET[::-1]}).dispatch()
    capsys.readouterr()  # where it is dispatched nobody has said so yet
    work()
    said = lines(capsys)
    assert "made of '•••' and {'•••': '•••'}" in said
    assert "took •••" in said


@pytest.mark.parametrize("job", [jobs.LogsEncrypted, jobs.LogsSensitive])
def test_here_and_now(keyed: QueueManager, capsys: pytest.CaptureFixture[str], job: Any) -> None:
    with suppress(ValueError):
        job.dispatch_now(SECRET)
    assert {"took •••", "gave up on •••"} <= lines(capsys).keys()


def test_of_a_value_that_has_parts_each_is_hidden(
    keyed: QueueManager, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.LogsSensitive.dispatch({"card": SECRET, "codes": [b"1111-7", 11117]})
    work()
    lines(capsys)


@pytest.mark.parametrize("job", [jobs.LogsPlain])
def test_what_is_not_hidden_is_told(keyed: QueueManager, capsys: pytest.CaptureFixture[str], job: Any) -> None:
    with suppress(ValueError):
        job.dispatch_now(SECRET)
    assert f"took {SECRET}" in capsys.readouterr().err
