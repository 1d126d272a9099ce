"""Every rule of retrying, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from qcore.backoff import Exponential
from qcore.envelope import Lease
from qcore.errors import JobTimeout, MaxAttemptsExceeded, PayloadError, PermissionDenied, WorkerCrashed
from qcore.jobs.options import JobOptions
from qcore.records import Failure, pack_history
from qcore.states import Outcome
from qcore.worker.options import WorkerOptions
from qcore.worker.verdict import Rules, after_error, refusal, rules, was_told

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND


def lease(**more: Any) -> Lease:
    given: dict[str, Any] = {"created_us": NOW - 60 * SECOND, "due_us": NOW - SECOND, "reserved_us": NOW, **more}
    return Lease(id="1", job="app:J", queue="default", payload=b"", token="w/1", **given)


def held(tries: int = 3, backoff: object = 5.0, **options: object) -> Rules:
    return Rules(tries, 60.0, backoff, JobOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempts", "tries", "outcome"),
    [
        (0, 3, Outcome.RELEASED),
        (1, 3, Outcome.RELEASED),
        (2, 3, Outcome.FAILED),
        (0, 1, Outcome.FAILED),
        (500, 0, Outcome.RELEASED),
    ],
)
def test_an_error_costs_a_try_and_the_last_one_fails(attempts: int, tries: int, outcome: Outcome) -> None:
    verdict = after_error(lease(attempts=attempts), held(tries), RuntimeError("x"), 0.1)
    assert verdict.outcome is outcome
    assert verdict.charged


@pytest.mark.parametrize(
    ("backoff", "attempts", "seconds"),
    [
        (7.0, 0, 7),
        ((1.0, 5.0, 30.0), 0, 1),
        ((1.0, 5.0, 30.0), 1, 5),
        ((1.0, 5.0, 30.0), 2, 30),
        ((1.0, 5.0, 30.0), 9, 30),
        (Exponential(5, 60, jitter=False), 0, 5),
        (Exponential(5, 60, jitter=False), 2, 20),
        (Exponential(5, 60, jitter=False), 20, 60),
        (Exponential(5, 60, jitter=False), 5000, 60),
    ],
)
def test_the_pause_grows_as_the_backoff_says(backoff: object, attempts: int, seconds: float) -> None:
    verdict = after_error(lease(attempts=attempts), held(0, backoff), RuntimeError("x"), 0.1)
    assert verdict.delay_us == seconds * SECOND


def test_jitter_stays_in_the_upper_half() -> None:
    pauses = {after_error(lease(), held(0, Exponential(10, 60)), RuntimeError(), 0).delay_us for _ in range(200)}
    assert len(pauses) > 100
    assert all(5 * SECOND <= pause <= 10 * SECOND for pause in pauses)


def test_max_exceptions_counts_errors_and_not_releases() -> None:
    limited = held(0, max_exceptions=2)
    assert after_error(lease(attempts=9, exceptions=0), limited, RuntimeError(), 0).outcome is Outcome.RELEASED
    assert after_error(lease(attempts=9, exceptions=1), limited, RuntimeError(), 0).outcome is Outcome.FAILED


def test_retry_until_beats_tries() -> None:
    until = held(1, retry_until_us=NOW + 100 * SECOND)
    assert after_error(lease(attempts=50), until, RuntimeError(), 0).outcome is Outcome.RELEASED
    assert refusal(lease(attempts=50), until) is None


def test_no_try_begins_after_retry_until() -> None:
    over = held(0, retry_until_us=NOW - SECOND)
    assert isinstance(refusal(lease(attempts=1), over), MaxAttemptsExceeded)
    assert after_error(lease(), over, RuntimeError(), 0).outcome is Outcome.FAILED


def test_the_last_pause_is_cut_to_retry_until() -> None:
    verdict = after_error(lease(), held(0, 50.0, retry_until_us=NOW + 10 * SECOND), RuntimeError(), 0)
    assert verdict.delay_us == 10 * SECOND


def test_an_operators_retry_after_retry_until_gets_its_tries() -> None:
    """The store took the job anew after its time was over: the old instant says nothing about it."""
    again = lease(created_us=NOW)
    assert refusal(again, held(3, retry_until_us=NOW - SECOND)) is None


def test_retry_for_counts_from_the_moment_the_store_took_the_job() -> None:
    assert refusal(lease(attempts=9), held(1, retry_for_us=61 * SECOND)) is None
    assert isinstance(refusal(lease(attempts=9), held(1, retry_for_us=59 * SECOND)), MaxAttemptsExceeded)


@pytest.mark.parametrize(
    ("attempts", "tries", "is_refused"), [(2, 3, False), (3, 3, True), (4, 3, True), (99, 0, False)]
)
def test_a_job_without_tries_left_is_not_begun(attempts: int, tries: int, is_refused: bool) -> None:
    assert (refusal(lease(attempts=attempts), held(tries)) is not None) == is_refused


def test_crashes_are_limited_even_without_a_limit_of_tries() -> None:
    assert refusal(lease(crashes=2), held(0)) is None
    assert isinstance(refusal(lease(crashes=3), held(0)), WorkerCrashed)
    assert refusal(lease(crashes=3), held(0, max_crashes=5)) is None
    assert isinstance(refusal(lease(reclaims=10), held(0)), WorkerCrashed)


def test_some_errors_leave_no_further_try() -> None:
    assert after_error(lease(), held(), PayloadError("x"), 0).outcome is Outcome.FAILED
    assert after_error(lease(), held(), PermissionDenied("x"), 0).outcome is Outcome.FAILED


def test_a_timeout_is_an_error_like_others_unless_said() -> None:
    assert after_error(lease(), held(), JobTimeout("x"), 0).outcome is Outcome.RELEASED
    assert after_error(lease(), held(fail_on_timeout=True), JobTimeout("x"), 0).outcome is Outcome.FAILED


@pytest.mark.parametrize("error", [SystemExit(4), MemoryError()])
def test_errors_that_would_end_a_process_are_limited_as_crashes_are(error: BaseException) -> None:
    def after(deaths: int, **options: Any) -> Outcome:
        kinds = ["ValueError"] * 5 + [type(error).__name__] * deaths
        history = pack_history([Failure(n, kind, "", "Traceback", 0) for n, kind in enumerate(kinds, 1)])
        ended = lease(attempts=len(kinds), exceptions=len(kinds), history=history)
        return after_error(ended, held(0, **options), error, 0).outcome

    assert after(1) is Outcome.RELEASED
    assert after(2) is Outcome.FAILED
    assert after(2, max_crashes=4) is Outcome.RELEASED


@pytest.mark.parametrize(
    ("job", "queue", "flag", "connection", "tries"),
    [
        (7, 6, 5, 4, 7),
        (0, 6, 5, 4, 0),
        (None, 6, 5, 4, 6),
        (None, None, 5, 4, 5),
        (None, None, None, 4, 4),
        (None, None, None, None, 3),
    ],
)
def test_tries_are_the_first_found(
    job: int | None, queue: int | None, flag: int | None, connection: int | None, tries: int
) -> None:
    assert rules(JobOptions(max_tries=job), queue, WorkerOptions(tries=flag), connection).tries == tries


def test_defaults() -> None:
    plain = rules(None, None, WorkerOptions(), None)
    assert (plain.tries, plain.timeout_s) == (3, 60.0)
    assert plain.backoff == Exponential(5, 3600, jitter=True)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"attempts": 3}, False),
        ({"attempts": 4}, False),
        ({"attempts": 3, "crashes": 2}, False),
        ({"attempts": 4, "crashes": 1}, True),
        ({"attempts": 3, "crashes": 3}, False),
        ({"attempts": 4, "crashes": 4}, True),
    ],
)
def test_a_job_whose_process_died_while_it_was_told_of_its_end_is_not_told_again(
    fields: dict[str, int], told: bool
) -> None:
    assert was_told(lease(**fields), held(3)) is told
