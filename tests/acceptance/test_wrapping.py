"""The examples of middleware do what the requirements say, on each store."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from homes import Home


@pytest.fixture
def wrapped(home: Home, store_url: str) -> Home:
    home.environment |= {"QCTL_URL": store_url, "QCTL_APP": "wrapped"}
    return home


def logged(stderr: str) -> list[dict[str, Any]]:
    """The log lines of jobs: JSON, since nobody watches."""
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


def test_logging_and_timing(wrapped: Home) -> None:
    job_id = wrapped.python("from wrapped import *; print(ProcessDataJob.dispatch())").strip()
    ended = wrapped.run("qctl", "work", "--stop-when-empty")
    assert wrapped.lines("done.txt") == ["processed", "stamped ProcessDataJob"]
    begins, timed, done = logged(ended.stderr)
    assert [line["event"] for line in (begins, timed, done)] == ["job begins", "job timed", "job ended"]
    for line in (begins, timed, done):
        told = {name: line[name] for name in ("job_id", "job", "queue", "attempt")}
        assert told == {"job_id": job_id, "job": "wrapped:ProcessDataJob", "queue": "default", "attempt": 1}
    assert 0 < timed["wall_s"] <= done["duration_s"] < 30


def test_throttle_and_retry(wrapped: Home) -> None:
    wrapped.python("from wrapped import *; [CallPartnerJob.dispatch(who) for who in ('unreachable', 'unknown', 'a')]")
    began = time.monotonic()
    while wrapped.queue("default")["completed"] < 1:
        wrapped.work("--sleep=0.1")
        assert time.monotonic() - began < 60
    noted = wrapped.lines("done.txt")
    attempts = [line for line in noted if line.split()[0] in {"unreachable", "unknown", "a"}]
    assert sorted(attempts) == ["a 1", "unknown 1", "unreachable 1", "unreachable 2"], "waiting costs no try"
    assert sorted(line for line in noted if line.startswith("heard")) == [
        "heard CallPartnerJob: no answer",
        "heard CallPartnerJob: no such partner",
    ]


def test_authorization(wrapped: Home) -> None:
    wrapped.python("from wrapped import *; PayOutJob.dispatch()")
    wrapped.work()
    [job] = wrapped.json("failed")["jobs"]
    assert job["attempts"] == 1
    assert "PermissionDenied: PayOutJob needs the permission 'process_payments'" in job["error"]
    assert [line.split(":")[0] for line in wrapped.lines("done.txt")] == ["heard PayOutJob"]
