"""What batches, chains and graphs refuse, at the call that is wrong and in words; and work that is used twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flow_jobs as jobs
import pytest
from flow_jobs import Anywhere, Says, Sums

from qcore import (
    BatchableJob,
    ChainableJob,
    ChainMonitor,
    ConfigurationError,
    JobBatch,
    JobNotFound,
    PayloadTooLargeError,
    QueueError,
    QueueManager,
    batch,
    chain,
    dispatcher,
    workflow,
)
from qcore.config import load_settings
from qcore.workflows import sizes

Work = Callable[..., Any]
REFUSED: list[ConfigurationError] = []


@pytest.fixture
def two() -> Iterator[QueueManager]:
    """A manager with two connections, "here" and "far"."""
    config = {"here": {"driver": "memory"}, "far": {"driver": "memory"}}
    manager = QueueManager(load_settings({"connection": "here"}, environ={}, app_config={"QUEUE_CONFIG": config}))
    before = manager.install()
    REFUSED.clear()
    yield manager
    manager.close()
    dispatcher.install(before)


# -- what cannot be -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: batch(Says("a")), "batch() takes a list of jobs, not a single Says"),  # type: ignore[arg-type]
        (lambda: batch(chain([Says("a")])), "batch() takes a list of jobs, not a single PendingChain"),  # type: ignore[arg-type]
        (lambda: batch(None), "batch() takes a list of jobs, not None"),  # type: ignore[arg-type]
        (lambda: chain(Says("a")), "chain() takes a list of jobs, not a single Says"),  # type: ignore[arg-type]
        (lambda: chain(None), "chain() takes a list of jobs, not None"),  # type: ignore[arg-type]
        (lambda: workflow().add("a", Says("a"), after=5), 'step "a": after=5 names no steps'),  # type: ignore[arg-type]
        (lambda: workflow().add("a", Says("a"), after=[5]), 'step "a": after=[5] names no steps'),  # type: ignore[list-item]
        (lambda: workflow().add(3, Says("a")), "add(): the name of a step: 3 is no name"),  # type: ignore[arg-type]
        (lambda: workflow().add("", Says("a")), "add(): the name of a step: '' is no name"),
        (lambda: batch([]).with_option("a", object()), "with_option('a') cannot keep that: "),
        (lambda: batch([]).with_option(5, "a"), "with_option(): 5 is no name"),  # type: ignore[arg-type]
        (lambda: batch([]).name(5), "name(): 5 is no name"),  # type: ignore[arg-type]
        (lambda: batch([]).on_queue(""), "on_queue(): '' is no name"),
        (lambda: chain([]).on_connection(""), "on_connection(): '' is no name"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert refused.value.message.startswith(said)
    assert refused.value.hint


def test_what_is_found_or_added_is_checked_too(manager: QueueManager) -> None:
    batch_id = batch([Says("a")]).name("").dispatch()
    with pytest.raises(ConfigurationError, match=r"add\(\) takes a list of jobs, not a single Says"):
        JobBatch.find(batch_id).add(Says("b"))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="by its id, not by None"):
        JobBatch.find(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="by its id, not by 5"):
        ChainMonitor(5)  # type: ignore[arg-type]


# -- generators, and work that is used twice ------------------------------------------------------------------------


def test_a_generator_is_dispatched_once(manager: QueueManager) -> None:
    pending = batch(Says(word) for word in "abc").then(jobs.done)
    assert JobBatch.find(pending.dispatch()).total_jobs == 3
    with pytest.raises(ConfigurationError, match="generator of this batch was used up") as refused:
        pending.dispatch()
    assert "give a list" in refused.value.hint
    with pytest.raises(ConfigurationError, match="used up"):
        chain([pending]).dispatch()


def test_what_can_be_read_again_is_dispatched_again(manager: QueueManager) -> None:
    for readable in ([Says("a")], (Says("a"),), {Says("a"): 1}.keys()):
        pending = batch(readable)
        assert [JobBatch.find(pending.dispatch()).total_jobs for _ in range(2)] == [1, 1]


def test_a_generator_within_a_chain_is_read(manager: QueueManager, work: Work, heard: list[Any]) -> None:
    chain([batch(Says(word) for word in "ab"), jobs.Tells()]).dispatch()
    work("flows,default")
    assert heard[-1] == (["a", "b"],)


def test_nested_work_that_is_used_twice_goes_where_each_use_says(manager: QueueManager) -> None:
    inner = batch([Anywhere("a"), chain([Anywhere("b")]).name("deep")]).then(jobs.done)
    chain([inner]).on_queue("q1").dispatch()
    chain([inner]).on_queue("q2").dispatch()
    chain([inner]).dispatch()
    found = manager.connection().page("pending").jobs
    assert sorted(job.queue for job in found) == ["default", "default", "q1", "q1", "q2", "q2"]


# -- from inside a member -------------------------------------------------------------------------------------------


class Tries(ChainableJob):
    """Adds what the test says, and keeps the error."""

    queue = "flows"
    max_tries = 1

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def _handle(self) -> None:
        try:
            WAYS[self.how](self)
        except ConfigurationError as error:
            REFUSED.append(error)
            raise


WAYS: dict[str, Callable[[Any], Any]] = {
    "add nope": lambda job: job.batch.add([Says("x"), Says("y").on_connection("nope")]),
    "add far": lambda job: job.batch.add([Says("y").on_connection("far")]),
    "prepend nope": lambda job: job.chain_prepend(Anywhere("x").on_connection("nope")),
    "append far": lambda job: job.chain_append(Anywhere("x").on_connection("far")),
    "prepend batch": lambda job: job.chain_prepend(batch([Says("x")])),
    "append text": lambda job: job.chain_append("x"),
    "append class": lambda job: job.chain_append(Anywhere),
}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("add nope", '"nope"'),
        ("add far", 'Says goes to connection "far", and the batch lives on "here"'),
        ("prepend nope", '"nope"'),
        ("append far", 'Anywhere goes to connection "far", and the chain lives on "here"'),
        ("prepend batch", "chain_prepend() takes an instance of a job, not a PendingBatch"),
        ("append text", "chain_append() takes an instance of a job, not a str"),
        ("append class", "chain_append() takes an instance of a job, not the class Anywhere"),
    ],
)
def test_what_a_member_adds_is_checked_as_it_is_added(two: QueueManager, work: Work, how: str, said: str) -> None:
    make: Any = batch if how.startswith("add") else chain
    flow_id = make([Tries(how)]).dispatch()
    work("flows,default")
    (error,) = REFUSED
    assert said in error.message
    assert error.hint
    record = two.connection().flow(flow_id)
    assert record is not None
    assert (record.flow.total, record.flow.failed) == (1, 1)


class AddsHere(BatchableJob):
    queue = "flows"

    def _handle(self) -> None:
        assert self.batch is not None
        self.batch.add([Says("added").on_connection("here")])


class GrowsHere(ChainableJob):
    queue = "flows"

    def _handle(self) -> None:
        self.chain_append(Says("appended").on_connection("here"))


def test_its_own_connection_may_be_named(two: QueueManager, work: Work, heard: list[Any]) -> None:
    batch([AddsHere()]).dispatch()
    chain([GrowsHere()]).dispatch()
    work("flows,default")
    assert sorted(heard) == [("added",), ("appended",)]


# -- what is too large ----------------------------------------------------------------------------------------------


def test_the_hint_of_what_is_too_large_fits_it(manager: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MOST_STEPS", 10)
    many = [Sums(n) for n in range(11)]
    cases = {
        "use a batch": chain(many),
        "self.batch.add": chain([Sums(1), batch(many)]),
        "divide the list": batch([many, Sums(1)]),
        "self.batch.add()": batch([batch(many)]),
    }
    for hint, pending in cases.items():
        with pytest.raises(PayloadTooLargeError) as refused:
            pending.dispatch()
        assert hint in refused.value.hint


# -- forgetting -----------------------------------------------------------------------------------------------------


def test_a_step_of_something_is_not_forgotten_alone(real_manager: QueueManager) -> None:
    deep = batch([Says("a")])
    chain_id = chain([chain([deep]).name("inner"), Says("z")]).dispatch()
    store = real_manager.connection()
    inner = next(step.id for step in store.steps(chain_id) if step.is_flow)
    (within,) = store.steps(inner)
    with pytest.raises(QueueError, match=f"chain {inner} is a step of chain {chain_id}, which would wait") as refused:
        ChainMonitor(inner).delete()
    assert "delete that chain" in refused.value.hint
    with pytest.raises(QueueError, match=f"batch {within.id} is a step of chain {chain_id}"):
        JobBatch.find(within.id).delete()
    assert ChainMonitor(chain_id).delete()
    for flow_id in (chain_id, inner, within.id):
        with pytest.raises(JobNotFound):
            JobBatch.find(flow_id)
