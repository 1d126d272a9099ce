"""Spans: one where jobs are dispatched, one for each attempt; and none at all where nobody traces.

What needs `opentelemetry-sdk` is skipped where that is not installed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import traced_jobs as jobs
from fakes.managers import in_use

from qcore import ConfigurationError, QueueManager
from qcore.crypto.keyring import generate_key
from qcore.jobs import tracing, wrapping
from qcore.jobs.packing import unpack
from qcore.worker import StopReason

Work = Callable[..., StopReason]
KINDS: dict[str, dict[str, int]] = {"inline": {}, "threads": {"threads": 2}, "async": {"async_jobs": 4}}


@pytest.fixture(autouse=True)
def unwrapped() -> Iterator[None]:
    wrapping.unwrap_all()
    yield
    wrapping.unwrap_all()


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tracing._made.cache_clear()
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    yield
    tracing._made.cache_clear()


@pytest.fixture(scope="session")
def provider() -> Any:
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
    from opentelemetry.trace import set_tracer_provider

    made = trace.TracerProvider()
    set_tracer_provider(made)
    return made


@pytest.fixture
def spans(provider: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """The spans that have ended, by name."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield lambda: {span.name: span for span in exporter.get_finished_spans()}
    processor.shutdown()


def payload_of(manager: QueueManager, job_id: str) -> Any:
    stored = manager.connection().find(job_id)
    assert stored is not None
    keyring = manager.keyring(manager.settings.default)
    return unpack(stored, keyring)


class TestOff:
    def test_without_the_api_nothing_is_traced(self, not_installed: None, manager: QueueManager, work: Work) -> None:
        job_id = jobs.Plain.dispatch()
        assert job_id is not None
        assert payload_of(manager, job_id).trace is None
        work()
        assert wrapping.around_all == []

    def test_the_api_alone_traces_nothing_until_there_is_a_provider(self) -> None:
        code = (
            "import opentelemetry.trace; from qcore.jobs.tracing import spans; assert spans(None) is None;"
            "from opentelemetry.sdk.trace import TracerProvider;"
            "opentelemetry.trace.set_tracer_provider(TracerProvider()); assert spans(None) is not None"
        )
        pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_it_cannot_be_wanted_then(self, not_installed: None) -> None:
        with in_use({"url": "memory://", "tracing": True}), pytest.raises(ConfigurationError, match="not installed"):
            jobs.Plain.dispatch()

    def test_what_is_not_wanted_is_not_done(self, work: Work) -> None:
        with in_use({"url": "memory://", "tracing": False}) as manager:
            job_id = jobs.Plain.dispatch()
            assert job_id is not None
            assert payload_of(manager, job_id).trace is None
            assert wrapping.around_all == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("job", [jobs.Plain, jobs.Awaited])
def test_a_run_is_the_child_of_its_dispatch(
    manager: QueueManager, work: Work, spans: Any, kind: str, job: type[jobs.Plain]
) -> None:
    job_id = job.dispatch()
    work(**KINDS[kind])
    name = job.__name__
    dispatched, ran = spans()[f"dispatch {name}"], spans()[f"run {name}"]
    assert ran.parent.span_id == dispatched.context.span_id
    assert ran.context.trace_id == dispatched.context.trace_id
    assert (dispatched.kind.name, ran.kind.name) == ("PRODUCER", "CONSUMER")
    assert ran.attributes["messaging.message.id"] == dispatched.attributes["messaging.message.id"] == job_id
    assert (ran.attributes["messaging.destination.name"], ran.attributes["qcore.attempt"]) == ("default", 1)
    assert ran.attributes["qcore.job"] == f"traced_jobs:{name}"
    assert ran.status.is_unset


def test_what_a_job_dispatches_goes_on_from_it(manager: QueueManager, work: Work, spans: Any) -> None:
    jobs.Parent.dispatch()
    work()
    found = spans()
    assert found["dispatch Plain"].parent.span_id == found["run Parent"].context.span_id
    assert len({span.context.trace_id for span in found.values()}) == 1


def test_many_jobs_are_one_dispatch(manager: QueueManager, work: Work, spans: Any) -> None:
    from qcore import dispatch_many

    dispatch_many([jobs.Plain(), jobs.Plain(), jobs.Awaited()])
    work()
    assert spans()["dispatch jobs"].attributes["messaging.batch.message_count"] == 3
    assert spans()["run Awaited"].parent.span_id == spans()["dispatch jobs"].context.span_id


def test_an_error_is_told(manager: QueueManager, work: Work, spans: Any) -> None:
    jobs.Broken.dispatch()
    jobs.GivesUp.dispatch()
    work()
    broken, gave_up = spans()["run Broken"], spans()["run GivesUp"]
    assert broken.status.description == "ValueError: no such order: 42"
    assert broken.events[0].attributes["exception.type"] == "ValueError"
    assert gave_up.status.description == "ValueError: useless"
    assert gave_up.attributes["qcore.outcome"] == "failed"


def test_what_is_hidden_is_in_no_span(work: Work, spans: Any) -> None:
    with in_use({"url": "memory://", "key": generate_key()}):
        jobs.Hidden.dispatch("4111-1111")
        work()
    assert spans()["run Hidden"].status.description == "ValueError"
    assert "4111" not in "".join(span.to_json() for span in spans().values())
