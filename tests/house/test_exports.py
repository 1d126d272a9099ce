"""The names that users rely on are there, in order, and nothing else is."""

from __future__ import annotations

import inspect

import qcore
from qcore import errors, events, middleware

PROMISED = {
    "Job", "SecureJob", "ShouldBeEncrypted", "job", "dispatch_many", "exponential",
    "JobState", "JobRecord",
    "QueueManager", "define_queue", "Worker",
    "on", "JobQueued", "JobProcessing", "JobProcessed", "JobExceptionOccurred", "JobFailed", "JobTimedOut",
    "JobRetryRequested", "WorkerLooping", "WorkerStopping",
    "ShouldBeUnique", "ShouldBeUniqueUntilProcessing",
}  # fmt: skip


def test_all_is_sorted_and_holds_no_name_twice() -> None:
    assert list(qcore.__all__) == sorted(set(qcore.__all__))


def test_everything_promised_is_exported() -> None:
    assert set(qcore.__all__) >= PROMISED


def test_every_error_is_exported() -> None:
    every = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.QueueError)
    }
    assert set(qcore.__all__) >= every - {"AttemptEnded", "SchemaError"}  # bases and details of the others


def test_every_exported_name_is_listed_by_dir_and_has_a_docstring() -> None:
    assert set(qcore.__all__) <= set(dir(qcore))
    silent = [name for name in qcore.__all__ if not inspect.getdoc(getattr(qcore, name))]
    assert silent == []


def test_every_event_is_exported() -> None:
    every = {
        name
        for name, value in vars(events).items()
        if inspect.isclass(value) and issubclass(value, events.Event) and not name.startswith("_")
    }
    assert set(qcore.__all__) >= every - {"Event"}


def test_all_middleware_is_exported() -> None:
    promised = {
        "MiddlewareStack", "LoggingMiddleware", "TimingMiddleware", "ThrottleMiddleware", "RetryMiddleware",
        "AuthorizationMiddleware", "ThrottlesExceptions", "Skip", "FailOnException",
    }  # fmt: skip
    assert set(middleware.__all__) >= promised
    assert list(middleware.__all__) == sorted(set(middleware.__all__))
    silent = set(middleware.__all__) - {"Next"}  # an alias of a type
    assert [name for name in silent if not inspect.getdoc(getattr(middleware, name))] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(qcore, "no_such_name")
