"""`self.log`: lines that bear their attempt, wherever an application lets them be written."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from qcore import Job, logs
from qcore.jobs.context import JobContext


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["logging", "structlog"])
def library(request: pytest.FixtureRequest) -> Iterator[None]:
    """As nobody configured anything, and through structlog as an application may configure it."""
    if request.param == "structlog":
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        )
    yield
    structlog.reset_defaults()


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
    job._context = JobContext("id-1", 2, "mail", began=time.perf_counter() - 5)
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
    assert 5 <= sent["duration_s"] <= oh["duration_s"]
    assert (sent["event"], sent["level"], sent["step"]) == ("sent 3", "info", "first")
    assert sent["to"] == {"a": str(object)}
    assert sent["at"].startswith("20")
    assert (oh["event"], oh["level"]) == ("oh", "error")
    assert "ValueError: invalid literal" in oh["exception"]


def test_a_line_and_its_end_are_one_write(running: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "write", written.append)
    monkeypatch.setattr(logs.sys, "stderr", stderr)
    running.log.info("one")
    running.log.info("two")
    assert [fields_of(text)["event"] for text in written if text.endswith("\n")] == ["one", "two"]
    assert len(written) == 2


def test_on_a_terminal_lines_are_for_people(running: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(logs.sys, "stderr", terminal)
    running.log.warning("low on paper", left=3)
    [line] = terminal.getvalue().splitlines()
    assert not line.startswith("{")
    assert "low on paper" in line
    assert "id-1" in line
    assert "left" in line


def test_an_applications_own_logging_comes_first(
    running: Say, capsys: pytest.CaptureFixture[str], unconfigured: logging.Logger
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
    assert record.getMessage().startswith("all of %s, or 100% (them) job_id=id-1 ")
    assert record.__dict__["fields"]["left"] == 0
    assert record.funcName == "test_an_applications_own_logging_comes_first"


def test_structlog_as_configured_comes_first(running: Say, capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as kept:
        structlog.configure(processors=structlog.get_config()["processors"])
        running.log.info("sent", to="a")
    structlog.reset_defaults()
    assert kept[0].pop("duration_s") >= 5
    assert kept == [{**BOUND, "event": "sent", "to": "a", "log_level": "info"}]
    assert capsys.readouterr().err == ""


def test_a_stderr_that_is_gone_harms_nothing(running: Say, monkeypatch: pytest.MonkeyPatch, library: None) -> None:
    closed = io.StringIO()
    closed.close()
    for stderr in (None, closed):
        monkeypatch.setattr(logs.sys, "stderr", stderr)
        running.log.error("into the void")


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def strict(line: str) -> dict[str, Any]:
    """A line as whoever reads JSON by its standard reads it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return found


circle: dict[Any, Any] = {}
circle["again"] = [circle]
AWKWARD: dict[str, Callable[[Any], None]] = {
    "a number that is none": lambda log: log.info("bad %d", "x"),
    "too many": lambda log: log.info("bad", 1, 2),  # noqa: PLE1205
    "too few": lambda log: log.info("bad %s and %s", 1),  # noqa: PLE1206
    "by name": lambda log: log.info("bad %(what)s", {"what": 1}),
    "by another name": lambda log: log.info("bad %(what)s", {"that": 1}),
    "mute words": lambda log: log.info("bad %s", Mute()),
    "mute fields": lambda log: log.info("bad", one=Mute(), some=[Mute()], by={Mute(): 1}),
    "no number": lambda log: log.info("bad", nan=math.nan, some=[math.inf, {"a": -math.inf}]),
    "large": lambda log: log.info("bad", large=10**30, larger=10**5000),
    "keys": lambda log: log.info("bad", some={(1, 2): 3, None: 4, "a": 5}),
    "circle": lambda log: log.info("bad", some=circle),
    "half a letter": lambda log: log.info("bad \ud800", half="\udc00"),
    "its own names": lambda log: log.info("bad", event=1, at=2, level=3, logger=4, name=5, msg=6, args=7, self=8),
    "no text": lambda log: log.info({"bad": 1}),
    "nothing": lambda log: log.bind(nan=math.nan).info(None),
    "values": lambda log: log.info("bad", at_=datetime(2020, 1, 1, tzinfo=UTC), of=b"x", several={1}, any=object()),
    "no error": lambda log: log.exception("bad"),  # noqa: LOG004
    "an error of half a letter": lambda log: log.error("bad", exc_info=ValueError("\ud800")),
    "a mute error": lambda log: log.error("bad", exc_info=ValueError(Mute())),
    "a level": lambda log: log.log(25, "bad"),
}


@pytest.mark.parametrize("case", sorted(AWKWARD))
@pytest.mark.parametrize("masked", [False, True])
def test_no_line_fails_a_job_and_each_is_json(
    running: Say, capsys: pytest.CaptureFixture[str], library: None, case: str, masked: bool
) -> None:
    if masked:
        running._sealed_arguments = (("secret",), {})
    AWKWARD[case](running.log)
    [line] = map(strict, capsys.readouterr().err.splitlines())
    assert BOUND.items() - {("logger", "test_logs_job")} <= {key: line[key] for key in BOUND}.items()
    assert isinstance(line["event"], str)


@pytest.mark.parametrize(
    ("case", "event"),
    [
        ("a number that is none", "bad %d (x)"),
        ("too many", "bad (1, 2)"),
        ("by name", "bad 1"),
        ("mute words", "bad %s (<Mute>)"),
        ("no text", "{'bad': 1}"),
        ("its own names", "bad"),
    ],
)
def test_a_line_says_the_same_either_way(
    running: Say, capsys: pytest.CaptureFixture[str], library: None, case: str, event: str
) -> None:
    AWKWARD[case](running.log)
    [line] = map(strict, capsys.readouterr().err.splitlines())
    assert (line["event"], line["level"]) == (event, "info")


def test_numbers_that_json_lacks_are_text(running: Say, capsys: pytest.CaptureFixture[str], library: None) -> None:
    AWKWARD["no number"](running.log)
    [line] = map(strict, capsys.readouterr().err.splitlines())
    assert (line["nan"], line["some"]) == ("nan", ["inf", {"a": "-inf"}])


def test_who_writes_lines_and_raises_fails_no_job(
    running: Say, capsys: pytest.CaptureFixture[str], unconfigured: logging.Logger
) -> None:
    def refuse(record: logging.LogRecord) -> bool:
        raise RuntimeError("no more lines")

    unconfigured.addFilter(refuse)
    unconfigured.addHandler(logging.Handler())
    unconfigured.setLevel(logging.INFO)
    running.log.info("sent %d", 3)
    unconfigured.removeFilter(refuse)
    [line] = map(strict, capsys.readouterr().err.splitlines())
    assert (line["event"], line["job_id"], line["log_error"]) == ("sent 3", "id-1", "no more lines")


def test_a_job_may_keep_something_else_under_that_name() -> None:
    class Felled(Job):
        def __init__(self) -> None:
            self.log = "a log"

    assert Felled().log == "a log"


def test_before_its_dispatch_a_job_has_a_log_too(running: Say, capsys: pytest.CaptureFixture[str]) -> None:
    running._context = None
    running.log.info("not yet")
    [line] = map(fields_of, capsys.readouterr().err.splitlines())
    assert (line["job_id"], line["attempt"], line["queue"]) == (None, 0, "mail")
    assert "duration_s" not in line
