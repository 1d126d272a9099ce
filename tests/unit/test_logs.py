"""`self.log`: lines that bear their attempt, wherever an application lets them be written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from qcore import Job, logs
from qcore.jobs.context import JobContext


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def without_structlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_structlog", lambda: None)


@pytest.fixture(params=["logging", "structlog"])
def library(request: pytest.FixtureRequest) -> None:
    """With structlog, and where there is none."""
    if request.param == "logging":
        request.getfixturevalue("without_structlog")


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger that no handler hears: those that pytest hangs in are out of its sight."""
    logger = logging.getLogger("test_logs_job")
    monkeypatch.setattr(logger, "hasHandlers", lambda: any(type(one) is logging.Handler for one in logger.handlers))
    yield logger
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


class Say(Job):
    def __init__(self) -> None:
        self.queue = "mail"


def fields_of(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, unconfigured: logging.Logger) -> Say:
    """A job in its second attempt, whose lines nobody was told to keep."""
    monkeypatch.setattr(Say, "__module__", unconfigured.name)
    job = Say()
    job._context = JobContext("id-1", 2, "mail")
    return job


BOUND = {"job_id": "id-1", "job": "test_logs_job:Say", "queue": "mail", "attempt": 2, "logger": "test_logs_job"}


def test_where_nothing_is_configured_lines_are_json(
    running: Say, capsys: pytest.CaptureFixture[str], library: None
) -> None:
    log = running.log.bind(step="first")
    log.debug("not written")
    log.info("sent %d", 3, to={"a": object}, at="is not overwritten")
    try:
        int("no luck")
    except ValueError:
        log.exception("oh")
    sent, oh = map(fields_of, capsys.readouterr().err.splitlines())
    assert BOUND.items() <= sent.items()
    assert (sent["event"], sent["level"], sent["step"]) == ("sent 3", "info", "first")
    assert sent["to"] == {"a": str(object)}
    assert sent["at"].startswith("20")
    assert (oh["event"], oh["level"]) == ("oh", "error")
    assert "ValueError: invalid literal" in oh["exception"]


def test_a_line_and_its_end_are_one_write(running: Say, monkeypatch: pytest.MonkeyPatch, library: None) -> None:
    written: list[str] = []
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "write", written.append)
    monkeypatch.setattr(logs.sys, "stderr", stderr)
    running.log.info("one")
    running.log.info("two")
    assert [fields_of(text)["event"] for text in written if text.endswith("\n")] == ["one", "two"]
    assert len(written) == 2


def test_on_a_terminal_lines_are_for_people(running: Say, monkeypatch: pytest.MonkeyPatch, library: None) -> None:
    terminal = Terminal()
    monkeypatch.setattr(logs.sys, "stderr", terminal)
    running.log.warning("low on paper", left=3)
    [line] = terminal.getvalue().splitlines()
    assert not line.startswith("{")
    assert "low on paper" in line
    assert "id-1" in line
    assert "left" in line


def test_an_applications_own_logging_comes_first(
    running: Say, capsys: pytest.CaptureFixture[str], unconfigured: logging.Logger, without_structlog: None
) -> None:
    kept: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = kept.append  # type: ignore[method-assign]
    unconfigured.addHandler(handler)
    unconfigured.setLevel(logging.WARNING)
    running.log.info("too quiet")
    running.log.warning("all of %s, or 100%", "them", left=0)  # which is no fit format
    [record] = kept
    assert capsys.readouterr().err == ""
    assert record.getMessage().startswith("all of %s, or 100% ('them',) job_id=id-1 ")
    assert record.__dict__["fields"]["left"] == 0
    assert record.funcName == "test_an_applications_own_logging_comes_first"


def test_structlog_as_configured_comes_first(running: Say, capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as kept:
        structlog.configure(processors=structlog.get_config()["processors"])
        running.log.info("sent", to="a")
    structlog.reset_defaults()
    assert kept == [{**BOUND, "event": "sent", "to": "a", "log_level": "info"}]
    assert capsys.readouterr().err == ""


def test_a_stderr_that_is_gone_harms_nothing(running: Say, monkeypatch: pytest.MonkeyPatch, library: None) -> None:
    closed = io.StringIO()
    closed.close()
    for stderr in (None, closed):
        monkeypatch.setattr(logs.sys, "stderr", stderr)
        running.log.error("into the void")


def test_a_job_may_keep_something_else_under_that_name() -> None:
    class Felled(Job):
        def __init__(self) -> None:
            self.log = "a log"

    assert Felled().log == "a log"


def test_before_its_dispatch_a_job_has_a_log_too(
    running: Say, capsys: pytest.CaptureFixture[str], without_structlog: None
) -> None:
    running._context = None
    running.log.info("not yet")
    [line] = map(fields_of, capsys.readouterr().err.splitlines())
    assert (line["job_id"], line["attempt"], line["queue"]) == (None, 0, "mail")
