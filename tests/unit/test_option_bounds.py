"""Values that no store can hold, or that nobody means, are refused at dispatch by the name of their option."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from qcore import ConfigurationError, Job, define_queue, exponential
from qcore.backoff import Exponential
from qcore.clock import instant
from qcore.jobs.context import JobContext
from qcore.jobs.packing import pack
from qcore.jobs.running import start
from qcore.manager.app import import_app

HUGE_S = 1e12


class Plain(Job):
    def handle(self) -> None:
        pass


class Later(Job):
    def __init__(self, verb: str) -> None:
        super().__init__()
        self.verb = verb

    def handle(self) -> None:
        getattr(self, self.verb)(1e13)


def packed(queue: Any = "q", **options: Any) -> Any:
    job = Plain()
    for name, value in options.items():
        setattr(job, name, value)
    return pack(job, queue=queue, keyring=None)


@pytest.mark.parametrize("value", [HUGE_S, 10**400, timedelta.max])
@pytest.mark.parametrize("option", ["delay", "timeout", "backoff", "retry_until", "result_ttl"])
def test_a_time_beyond_ten_years(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"Plain\.{option}: .* s is beyond 10 years"):
        packed(**{option: value})


def test_the_hint_asks_for_milliseconds() -> None:
    with pytest.raises(ConfigurationError) as caught:
        packed(delay=HUGE_S)
    assert caught.value.message == "Plain.delay: 1e+12 s is beyond 10 years"
    assert "milliseconds" in caught.value.hint


@pytest.mark.parametrize("option", ["delay", "retry_until"])
def test_an_instant_of_another_age(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}: 9999-.* is beyond the year 2199"):
        packed(**{option: datetime.max.replace(tzinfo=UTC)})
    packed(**{option: datetime.min.replace(tzinfo=UTC)})


@pytest.mark.parametrize(
    "value", [[1, HUGE_S], Exponential(float("inf")), Exponential(1, HUGE_S), float("nan"), [True]]
)
def test_backoffs(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Plain\.backoff: "):
        packed(backoff=value)


@pytest.mark.parametrize("values", [(float("inf"), 1), (1, float("inf")), (HUGE_S, 1), (1, float("nan"))])
def test_exponential_is_bounded(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="backoff: "):
        exponential(*values)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 10**19, 10**400])
def test_priorities_are_bounded(value: int) -> None:
    with pytest.raises(ConfigurationError, match=r"Plain\.priority: "):
        packed(priority=value)
    assert [packed(priority=edge).priority for edge in (2**31 - 1, -(2**31))] == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize("name", ["", "x" * 191, "a\0b", "a\nb", "\ud800", 7])
def test_names_of_queues(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no name"):
        packed(queue=name)
    with pytest.raises(ConfigurationError, match="is no name"):
        define_queue(name)
    assert packed(queue="ü" * 190).queue == "ü" * 190


def test_one_text_is_one_tag() -> None:
    assert packed(tags="urgent").tags == ("urgent",)
    job = Plain()
    job.tags = "urgent"
    assert pack(job.with_tags("mail"), queue="q", keyring=None).tags == ("urgent", "mail")


@pytest.mark.parametrize("tags", [("x" * 191,), ("\ud800",), 7])
def test_tags(tags: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Plain\.tags: "):
        packed(tags=tags)


@pytest.mark.parametrize("verb", ["release", "snooze"])
def test_releases_are_bounded(verb: str) -> None:
    with pytest.raises(ConfigurationError, match=r"delay: 1e\+13 s is beyond 10 years"):
        start(Later(verb), JobContext(job_id="1", attempt=1, queue="q"))


def test_absurd_instants_are_shown_as_the_nearest() -> None:
    assert instant(1_500_000) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert [instant(us).year for us in (2**63, 10**40, -(10**40))] == [9999, 9999, 1]


def test_an_app_that_leaves_while_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving_app.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="importing it failed: SystemExit: 3"):
        import_app("leaving_app")
