"""What middleware does around jobs, in whatever way a worker runs them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wrapped_jobs as wrapped

from qcore import ConfigurationError, Job, JobRecord, JobState, PermissionDenied, QueueError, QueueManager, job
from qcore.crypto.keyring import generate_key
from qcore.jobs import wrapping
from qcore.middleware import (
    AuthorizationMiddleware,
    FailOnException,
    LoggingMiddleware,
    MiddlewareStack,
    RetryMiddleware,
    Skip,
    ThrottleMiddleware,
    ThrottlesExceptions,
    Timing,
    TimingMiddleware,
    throttle,
)
from qcore.worker import StopReason

Work = Callable[..., StopReason]
KINDS: dict[str, dict[str, int]] = {"inline": {}, "threads": {"threads": 2}, "async": {"async_jobs": 4}}
AB = [("in", "a"), ("in", "b"), ("handle",), ("out", "b"), ("out", "a")]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> dict[str, int]:
    return KINDS[request.param]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    yield
    wrapping.unwrap_all()
    throttle._begun.clear()
    throttle._raised.clear()
    wrapped.ByClassMethod.asked.clear()
    wrapped.Permitted.held.clear()
    wrapped.KEPT.clear()


@pytest.mark.parametrize(
    "make", [wrapped.Stacked, wrapped.Listed, lambda: wrapped.ByMethod("a"), wrapped.ByClassMethod]
)
def test_each_way_to_say_it(manager: QueueManager, work: Work, heard: Any, kind: Any, make: Any) -> None:
    job_id = make().dispatch()
    work(**kind)
    assert heard == AB
    assert JobRecord.find(job_id).result == "done"


def test_sync_around_async_awaits_nothing_and_async_inside_does(
    manager: QueueManager, work: Work, heard: Any, kind: Any
) -> None:
    job_id = wrapped.AsyncStacked.dispatch()
    work(**kind)
    assert heard == [("in", "a"), ("out", "a"), ("in", "b"), ("handle",), ("out", "b")], "a has only the awaitable"
    assert JobRecord.find(job_id).result == "done"


def test_async_around_a_job_that_is_not(manager: QueueManager, work: Work, heard: Any, kind: Any) -> None:
    job_id = wrapped.AsyncAround.dispatch()
    work(**kind)
    inner = [("in", "b"), ("in", "c"), ("handle",), ("out", "c")]
    assert sorted(heard) == sorted([("in", "a"), *inner, ("out", "b"), ("out", "a")])
    assert heard[-1] == ("out", "a")
    assert JobRecord.find(job_id).result == "done"


def test_its_exception_is_the_jobs(manager: QueueManager, work: Work, heard: Any, kind: Any) -> None:
    record = JobRecord.find(wrapped.Raised.dispatch())
    work(**kind)
    assert record.refresh().error == "LookupError: the middleware's own"
    assert heard == []


def test_an_error_that_it_keeps_is_none(manager: QueueManager, work: Work, kind: Any) -> None:
    record = JobRecord.find(wrapped.Swallowed.dispatch())
    work(**kind)
    assert (record.refresh().state, record.result) == (JobState.COMPLETED, "kept to itself")


def test_what_is_no_middleware_is_one_clear_line(manager: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match=r"NoMiddleware\.middleware: <object object"):
        wrapped.NoMiddleware.dispatch()
    with pytest.raises(ConfigurationError, match="LoggingMiddleware is a class"):
        MiddlewareStack().add(LoggingMiddleware)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is no middleware"):
        QueueManager.middleware("log")


class Fives(Job):
    middleware = 5

    def handle(self) -> None: ...


class FiveByMethod(Job):
    def middleware(self) -> Any:
        return 5

    def handle(self) -> None: ...


class OwnFive(Job):
    def __init__(self) -> None:
        self.middleware = 5

    def handle(self) -> None: ...


@pytest.mark.parametrize("job", [Fives, FiveByMethod, OwnFive])
def test_what_is_no_list_of_middleware_is_one_clear_line(manager: QueueManager, job: Any) -> None:
    for send in (job.dispatch, job.dispatch_now):
        with pytest.raises(ConfigurationError, match=f"^{job.__name__}.middleware: int is no list of middleware$"):
            send()


@pytest.mark.parametrize(
    ("grants", "permissions", "runs"),
    [(("pay",), ["pay"], True), ((), ["pay"], False), (("pay",), ["read"], False)],
    ids=["held by both", "not the worker's", "not the dispatcher's"],
)
def test_authorization_asks_for_what_the_worker_was_granted(
    work: Work, heard: Any, grants: tuple[str, ...], permissions: list[str], runs: bool
) -> None:
    keyed = QueueManager.open({"url": "memory://", "key": generate_key()})
    with keyed.using():
        with QueueManager.acting_as("ada", permissions):
            record = JobRecord.find(wrapped.Granted.dispatch())
        work(grants=grants)
        assert bool(heard) is runs
        if not runs:
            assert "PermissionDenied" in (record.refresh().error or "")
            assert record.attempts == 1
    keyed.close()


# -- built how often ---------------------------------------------------------------------------------------------------


def test_a_class_is_asked_once(manager: QueueManager, work: Work, heard: Any) -> None:
    for _ in range(3):
        wrapped.ByClassMethod.dispatch()
    work()
    assert heard == AB * 3
    assert wrapped.ByClassMethod.asked == ["ByClassMethod"]


def test_a_method_is_asked_in_every_run(manager: QueueManager, work: Work, heard: Any) -> None:
    for name in ("x", "y"):
        wrapped.ByMethod.dispatch(name)
    work()
    assert [entry for entry in heard if entry[0] == "in"] == [("in", "x"), ("in", "b"), ("in", "y"), ("in", "b")]


def test_what_a_class_is_given_later_is_heeded(heard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [wrapped.Mark("a")]
    monkeypatch.setattr(wrapped.Plain, "middleware", layers)
    wrapped.Plain.dispatch_now()
    layers.append(wrapped.Mark("b"))
    wrapped.Plain.dispatch_now()
    monkeypatch.setattr(wrapped.Plain, "middleware", [wrapped.Mark("c")])
    wrapped.Plain.dispatch_now()
    assert [entry[1] for entry in heard if entry[0] == "in"] == ["a", "a", "b", "c"]


def test_around_every_job(manager: QueueManager, work: Work, heard: Any, kind: Any) -> None:
    wrapped.Plain.dispatch_now()
    QueueManager.middleware(wrapped.Mark("outer"), wrapped.Mark("inner"))
    wrapped.Plain.dispatch()
    work(**kind)
    own = [entry[1] for entry in heard if entry[0] == "in"]
    wrapped.Listed.dispatch()
    work(**kind)
    assert own == ["outer", "inner"]
    assert [entry[1] for entry in heard if entry[0] == "in"][2:] == ["outer", "inner", "a", "b"]


def test_functions_take_it_too(manager: QueueManager, heard: Any) -> None:
    @job(middleware=[wrapped.Mark("a")])
    def shout(word: str) -> str:
        return word.upper()

    assert shout.dispatch_now("word") == "WORD"
    assert heard == [("in", "a"), ("out", "a")]


# -- skip, retry, authorize --------------------------------------------------------------------------------------------


def test_a_skipped_job_counts_as_done(manager: QueueManager, work: Work, heard: Any, kind: Any) -> None:
    records = [JobRecord.find(made.dispatch()) for made in (wrapped.Skipped(), wrapped.AsyncSkipped())]
    other = JobRecord.find(wrapped.NotSkipped.dispatch())
    work(**kind)
    assert [record.refresh().state for record in records] == [JobState.COMPLETED] * 2
    assert heard == [("handle",)]
    assert other.refresh().result == "done"


@pytest.mark.parametrize("make", [wrapped.FailsOn, wrapped.AsyncErrs])
def test_errors_that_fail_at_once(manager: QueueManager, work: Work, kind: Any, make: Any) -> None:
    final, other = JobRecord.find(make("key").dispatch()), JobRecord.find(make("value").dispatch())
    work(**kind)
    assert (final.refresh().state, final.attempts) == (JobState.FAILED, 1)
    assert (other.refresh().state, other.attempts) == (JobState.FAILED, 3)
    assert final.error == "KeyError: 'key'"


def test_errors_that_are_tried_again(manager: QueueManager, work: Work, kind: Any) -> None:
    again, other = JobRecord.find(wrapped.Retries.dispatch("os")), JobRecord.find(wrapped.Retries.dispatch("key"))
    work(**kind)
    assert (again.refresh().state, again.attempts) == (JobState.FAILED, 2), "its own backoff would be an hour"
    assert (other.refresh().state, other.attempts) == (JobState.FAILED, 1)


def test_a_ruling_is_for_the_error_it_was_made_of(manager: QueueManager, work: Work) -> None:
    """One that an outer middleware turned into another is judged as if nobody had ruled."""

    class Translate:
        def handle(self, job: Job, next: Any) -> Any:  # noqa: A002
            try:
                return next(job)
            except KeyError as error:
                raise RuntimeError("translated") from error

    QueueManager.middleware(Translate())
    record = JobRecord.find(wrapped.FailsOn.dispatch("key"))
    work()
    assert record.refresh().attempts == 3


@pytest.mark.parametrize("make", [wrapped.GivesUp, wrapped.KeepsItself])
def test_an_attempt_that_failed_is_freed(manager: QueueManager, work: Work, make: Any) -> None:
    make.dispatch()
    work()
    gc.collect()
    assert [ref() for ref in wrapped.KEPT] == [None]


@pytest.mark.parametrize("wrong", [[], [3], "KeyError"])
def test_what_are_no_errors(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="no class of errors"):
        FailOnException(wrong)


@pytest.mark.parametrize("options", [{"max_tries": -1}, {"backoff": -1}, {"backoff": "soon"}])
def test_what_is_no_way_to_retry(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="RetryMiddleware"):
        RetryMiddleware(**options)


def test_a_refused_job_fails_for_good(manager: QueueManager, work: Work, heard: Any, kind: Any) -> None:
    wrapped.Permitted.held[:] = ["pay"]
    records = [JobRecord.find(made.with_tries(5).dispatch()) for made in (wrapped.Checked(), wrapped.Permitted())]
    work(**kind)
    assert [(one.refresh().state, one.attempts) for one in records] == [(JobState.FAILED, 1)] * 2
    assert heard == []
    assert "PermissionDenied: Permitted needs the permission 'refund'" in (records[1].error or "")


def test_a_job_with_its_permissions_runs(heard: Any) -> None:
    with pytest.raises(PermissionDenied):
        wrapped.Permitted.dispatch_now()
    wrapped.Permitted.held[:] = ["pay", "refund"]
    wrapped.Permitted.dispatch_now()
    assert heard == [("handle",)]


@pytest.mark.parametrize("wrong", [[], [7], [None]])
def test_what_are_no_permissions(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="are no permissions"):
        AuthorizationMiddleware(wrong)


async def _never(_: Any) -> bool:
    return False


@pytest.mark.parametrize("layer", [Skip.unless(_never), Skip.when(_never), AuthorizationMiddleware(_never)])
def test_an_async_answer_is_no_answer(layer: Any, heard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A coroutine that nobody awaits is true: everything would be skipped, and everybody allowed."""
    monkeypatch.setattr(wrapped.Plain, "middleware", (layer,))
    with pytest.raises(ConfigurationError, match="an async function cannot be asked"):
        wrapped.Plain.dispatch_now()
    assert heard == []


# -- throttles ---------------------------------------------------------------------------------------------------------


def test_a_throttled_job_waits_and_loses_no_try(real_manager: QueueManager, work: Work, heard: Any) -> None:
    records = [JobRecord.find(wrapped.Throttled.dispatch(number)) for number in range(4)]
    began = time.monotonic()
    while len(heard) < 4:
        work()
        assert time.monotonic() - began < 30
    assert time.monotonic() - began >= 0.5, "only two may begin in half a second"
    assert [(one.refresh().state, one.attempts) for one in records] == [(JobState.COMPLETED, 1)] * 4


def test_one_that_runs_here_and_now_cannot_wait(heard: Any) -> None:
    for _ in range(2):
        wrapped.Throttled.dispatch_now()
    with pytest.raises(QueueError, match="Throttled must wait"):
        wrapped.Throttled.dispatch_now()
    assert len(heard) == 2, "it neither ran nor counts as done"


def test_counts_are_by_class_or_by_key() -> None:
    class One(wrapped.Plain):
        middleware = (ThrottleMiddleware(1, 60),)

    class Other(wrapped.Plain):
        middleware = (ThrottleMiddleware(1, 60),)

    One.dispatch_now()
    Other.dispatch_now()
    One.middleware = Other.middleware = (ThrottleMiddleware(1, 60, key="mail"),)
    One.dispatch_now()
    with pytest.raises(QueueError, match="must wait"):
        Other.dispatch_now()


def test_too_many_errors_in_a_row_let_jobs_wait(manager: QueueManager, work: Work, heard: Any) -> None:
    wrapped.Breaks.left[0] = 2
    record = JobRecord.find(wrapped.Breaks.dispatch())
    began = time.monotonic()
    while not record.refresh().state.is_final:
        work()
        assert time.monotonic() - began < 30
    assert time.monotonic() - began >= 0.4, "it was put off for that long"
    assert heard == [("breaks", 1), ("breaks", 2), ("breaks", 3)], "the wait cost no try, the errors did"


def test_an_end_that_is_well_clears_the_count(heard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapped.Breaks, "middleware", (ThrottlesExceptions(2, 600, errors=OSError),))
    for left in (1, 0, 1, 0):
        wrapped.Breaks.left[0] = left
        try:
            wrapped.Breaks.dispatch_now()
        except OSError:
            assert left
    assert len(heard) == 4


@pytest.mark.parametrize("wrong", [lambda: ThrottleMiddleware(0, 1), lambda: ThrottlesExceptions(1, -1)])
def test_what_is_no_throttle(wrong: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match="Throttle"):
        wrong()


def test_no_more_keys_are_kept_than_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_KEYS_MOST", 3)
    for key in "abcabd":
        throttle._begun.with_value(key, lambda begun: begun.append(0.0))
    assert list(throttle._begun._by_key) == ["a", "b", "d"]


# -- timing ------------------------------------------------------------------------------------------------------------


def test_timing_is_reported_also_of_what_raises() -> None:
    told: list[tuple[str, Timing]] = []

    class Timed(wrapped.Errs):
        middleware = (TimingMiddleware(lambda job, timing: told.append((type(job).__name__, timing))),)

    with pytest.raises(KeyError):
        Timed.dispatch_now("key")
    Timed.middleware = (TimingMiddleware(lambda *_: told.clear(), slow_s=60),)
    with pytest.raises(KeyError):
        Timed.dispatch_now("key")
    [(name, timing)] = told
    assert name == "Timed"
    assert 0 < timing.wall_s < 60
    assert timing.cpu_s <= 60
