"""Rotation: after it, what is stored needs the new key alone; however often it is interrupted, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sealed_jobs as jobs
from fakes.flaky import FlakyDriver
from fakes.managers import in_use
from fakes.values import handed_back
from msgspec.structs import replace

from qcore import (
    ChainMonitor,
    ConfigurationError,
    ConnectionFailed,
    Job,
    JobRecord,
    QueueManager,
    batch,
    chain,
)
from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.pair import Pair, generate_pair
from qcore.crypto.signature import seal, unseal
from qcore.drivers.operator import Change, FlowChange
from qcore.jobs.guarding import read_result
from qcore.monitor.actions import Actions
from qcore.monitor.rotation import Rotation, RotationResult
from qcore.worker import StopReason

Work = Callable[..., StopReason]
OLD, NEW = generate_key(), generate_key()
GRANTED = ("process_payments",)


@pytest.fixture(autouse=True)
def heard() -> list[tuple[Any, ...]]:
    jobs.HEARD.clear()
    return jobs.HEARD


def opened(url: str, **keys: str) -> Any:
    return in_use({"url": url, **keys})


def told(*_: Any) -> None:
    """A callback of a chain or batch."""
    jobs.HEARD.append(("told",))


def excuses(*_: Any) -> bool:
    """A judge of a batch."""
    return True


def rotated(manager: QueueManager) -> RotationResult:
    (rotation,) = Actions(manager).rotations()
    return rotation.run(lambda _more: None)


def test_all_that_waits_or_failed_needs_the_new_key_alone(store_url: str, work: Work, heard: Any) -> None:
    with opened(store_url, key=OLD):
        jobs.Pay.dispatch(4111, 1, fails=True)
        jobs.Leaks.dispatch("secret")
        work(grants=GRANTED)
        jobs.Note.dispatch("one")
        jobs.Pay.dispatch("card", 2, "c" * 2000, note="more")
        jobs.Plain("x" * 5000).with_priority(7).with_tags("t").dispatch()
        jobs.Note("later").delay_until(3600).dispatch()
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        jobs.Plain.dispatch("new already")
        told: list[int] = []
        (rotation,) = Actions(manager).rotations()
        assert rotation.size() == 7
        result = rotation.run(told.append)
        assert (result.matched, result.changed, result.failed) == (6, 6, ())
        assert sum(told) == 7
        again = rotated(manager)
        assert (again.matched, again.changed) == (0, 0)
    heard.clear()
    with opened(store_url, key=NEW) as manager:
        assert manager.retry("all") == 2
        work(grants=GRANTED)
        assert manager.get_stats().failed == 2, "those fail again, by themselves"
        (delayed,) = manager.connection().page("delayed", payloads=True).jobs
        assert unseal(delayed.payload, manager.keyring("default"))
    assert ("note", "one", 1) in heard
    assert ("paid", "card", 2, ("c" * 2000,), {"note": "more"}) in heard
    assert ("paid", 4111, 1, (), {}) in heard
    assert ("plain", "x" * 5000) in heard
    assert heard.count(("leaks", 1)) == 1


def test_a_job_that_runs_is_left_and_counted(store_url: str) -> None:
    with opened(store_url, key=OLD) as manager:
        ids = [jobs.Note.dispatch(text) for text in ("one", "two")]
        store = manager.connection()
        (lease,) = store.reserve(["default"], 1, "worker-a", 1)
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        result = rotated(manager)
        assert (result.matched, result.changed) == (2, 1)
        ((left, reason),) = result.failed
        assert left == lease.id
        assert "was running" in reason
        assert left in ids


def test_what_flows_keep_for_later_needs_the_new_key_alone(store_url: str, work: Work, heard: Any) -> None:
    with opened(store_url, key=OLD):
        chain([jobs.Plain("one"), jobs.Plain("two"), jobs.Pay(4111, 1)]).catch(told).dispatch()
        members = batch([jobs.Plain("member"), jobs.Leaks("secret")])
        members.allow_failures(excuses).then(told).dispatch()
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        result = rotated(manager)
        assert result.failed == ()
        assert result.matched == result.changed > 2
        assert rotated(manager).matched == 0
    with opened(store_url, key=NEW) as manager:
        work(grants=GRANTED)
        assert manager.get_stats().failed == 1
    assert [one for one in heard if one[0] == "plain"] == [("plain", "one"), ("plain", "member"), ("plain", "two")]
    assert ("paid", 4111, 1, (), {}) in heard
    assert heard.count(("told",)) == 1, "the batch's judge was asked"


def test_what_failed_can_be_retried_with_the_new_key_alone(store_url: str, work: Work, heard: Any) -> None:
    with opened(store_url, key=OLD):
        steps = chain([jobs.Leaks("secret"), jobs.Plain("two")]).catch(told).dispatch()
        done = chain([jobs.Plain("one"), jobs.Plain("two")]).dispatch()
        work()
    heard.clear()
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        assert rotated(manager).failed == ()
        assert rotated(manager).matched == 0
    with opened(store_url, key=NEW) as manager:
        store = manager.connection()
        assert len(store.retry_flow(steps)) == 1
        assert store.retry_flow(done) in ([], ())
        work()
        (failed,) = store.page("failed").jobs
    assert ("leaks", 1) in heard
    assert "it went wrong" in str(failed.history)


def test_what_steps_returned_is_read_with_the_new_key_alone(store_url: str, work: Work, heard: Any) -> None:
    with opened(store_url, key=OLD) as manager:
        chain([jobs.Note("secret"), jobs.Reads(), jobs.Reads()]).dispatch()
        chain([batch([jobs.Plain(1), jobs.Hushed(2)]), jobs.Reads().on_queue("later")]).dispatch()
        work(["default"], max_jobs=3)
        assert manager.get_stats("default").completed == 3
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        result = rotated(manager)
        assert result.failed == ()
        assert result.matched == result.changed > 3
        assert rotated(manager).matched == 0
    with opened(store_url, key=NEW) as manager:
        work(["default", "later"])
        assert manager.get_stats("default").failed == manager.get_stats("later").failed == 0
    read = [one for one in heard if one[0] == "read"]
    assert read.count(("read", {"echo": "secret"})) == 2
    assert ("read", [1, 2]) in read


def test_what_failed_inside_can_be_retried_with_the_new_key_alone(store_url: str, work: Work, heard: Any) -> None:
    """Its retry brings back what is around it, and that reads what ended well before."""
    with opened(store_url, key=OLD) as manager:
        members = batch([jobs.Pay(4111, 1)])
        flow = chain([jobs.Plain("first"), jobs.Reads(), members, jobs.Plain("last")]).dispatch()
        work()
        (failed,) = manager.connection().page("failed").jobs
        assert ChainMonitor(flow).get_status().state == "failed"
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        assert rotated(manager).failed == ()
        assert rotated(manager).matched == 0
    with opened(store_url, key=NEW) as manager:
        assert manager.retry([failed.id]) == 1
        work(grants=GRANTED)
        assert ChainMonitor(flow).get_status().state == "completed"
        (inner,) = [one.id for one in manager.connection().steps(flow) if one.is_flow]
        keyring = manager.keyring("default")
        kept = [*manager.connection().steps(flow), *manager.connection().steps(inner)]
        assert [read_result(one.result, one.id, one.job, keyring) for one in kept if one.result is not None] == [
            "first",
            "first",
            "last",
            "1 from 4111",
        ]
    assert heard[-1] == ("plain", "last")


def test_what_jobs_returned_is_read_with_the_new_key_alone(store_url: str, work: Work) -> None:
    with opened(store_url, key=OLD):
        ids = [job.dispatch() for job in (jobs.Plain(3), jobs.Note("secret"), jobs.Plain("x" * 5000))]
        work()
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        new = jobs.Plain.dispatch("new already")
        work()
        result = rotated(manager)
        assert (result.matched, result.changed, result.failed) == (3, 3, ())
        assert rotated(manager).matched == 0
    with opened(store_url, key=NEW):
        found = [JobRecord.find(one).result for one in (*ids, new)]
        assert found == [3, {"echo": "secret"}, "x" * 5000, "new already"]


def test_all_flows_are_looked_at_however_many(store_url: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is met on the last of many pages, most of which hold nothing that goes on."""
    monkeypatch.setattr("qcore.monitor.rotation._STEP", 2)
    with opened(store_url, key=OLD):
        oldest = chain([jobs.Plain("one"), jobs.Plain("two")]).on_queue("later").dispatch()
        for number in range(7):
            chain([jobs.Plain(number)]).dispatch()
        work(["default"])
    with opened(store_url, key=NEW, previous_keys=OLD) as manager:
        assert rotated(manager).failed == ()
    with opened(store_url, key=NEW):
        work(["later"])
        assert ChainMonitor(oldest).get_status().state == "completed"


def test_a_result_that_no_key_opens_is_named_and_the_rest_is_sealed_anew(
    memory_keyed: QueueManager, work: Work
) -> None:
    flow = chain([jobs.Plain("one"), jobs.Plain("two")]).dispatch()
    work(max_jobs=1)
    store: Any = memory_keyed.connection()
    first, _ = store.steps(flow)
    foreign = seal(unseal(first.result, Keyring.of(OLD)), Keyring.of(generate_key()))
    store.reseal_flow(FlowChange(flow, {}, results=[Change(first.id, first.result, foreign)]))
    memory_keyed._keyrings["default"] = Keyring.of(NEW, [OLD])
    result = rotated(memory_keyed)
    ((left, reason),) = result.failed
    assert left == flow
    assert f"the result of job {first.id}: the payload is signed with the key" in reason
    assert result.changed == 2, "what waits, and what the first job returned by itself"


def test_a_result_that_somebody_moved_is_not_sealed_anew(memory_keyed: QueueManager, work: Work) -> None:
    ids = [jobs.Plain.dispatch(text) for text in ("mine", "yours")]
    work()
    store: Any = memory_keyed.connection()
    mine, yours = (store.find(one).result for one in ids)
    assert store.reseal_results([Change(ids[0], mine, yours)]) == 1
    memory_keyed._keyrings["default"] = Keyring.of(NEW, [OLD])
    ((left, reason),) = rotated(memory_keyed).failed
    assert left == ids[0]
    assert f"is that of {ids[1]}" in reason


@pytest.mark.parametrize("verb", ["reseal_flow", "reseal_results"])
@pytest.mark.parametrize("before", [True, False])
def test_results_may_be_cut_off_too(
    memory_keyed: QueueManager, work: Work, heard: Any, verb: str, before: bool
) -> None:
    flow = chain([jobs.Plain("one"), jobs.Reads()]).dispatch()
    work(max_jobs=1)
    flaky = FlakyDriver(memory_keyed.connection())
    memory_keyed._keyrings["default"] = Keyring.of(NEW, [OLD])
    flaky.cut(verb, before=before)
    rotation = Rotation(memory_keyed, "default")
    rotation._store = flaky  # type: ignore[assignment]
    with pytest.raises(ConnectionFailed):
        rotation.run(lambda _more: None)
    assert rotated(memory_keyed).failed == ()
    memory_keyed._keyrings["default"] = Keyring.of(NEW)
    work()
    assert ChainMonitor(flow).get_status().state == "completed"
    assert heard[-1] == ("read", "one")


def test_a_flow_that_moves_on_meanwhile_is_named(memory_keyed: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = chain([jobs.Plain("one"), jobs.Plain("two")]).dispatch()
    memory_keyed._keyrings["default"] = Keyring.of(NEW, [OLD])
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(memory_keyed.connection(), "reseal_flow", lambda change: 0)
        ((left, reason),) = rotated(memory_keyed).failed
    assert left == flow
    assert "moved on meanwhile" in reason
    assert rotated(memory_keyed).failed == ()


def test_a_job_that_goes_back_behind_the_pass_is_met_again(memory_keyed: QueueManager) -> None:
    """It ran while those that wait were looked at, and waits again by the time those that run are."""
    store = memory_keyed.connection()
    jobs.Note.dispatch("one")
    (lease,) = store.reserve(["default"], 1, "worker-a", 1)
    with opened("memory://", key=NEW, previous_keys=OLD) as manager:
        manager._stores["default"] = store  # the same store, under other keys
        real = store.page

        def page(view: str, **more: Any) -> Any:
            if view == "processing" and store.find(lease.id).state == "processing":  # type: ignore[union-attr]
                store.settle([handed_back(lease)])
            return real(view, **more)

        store.page = page  # type: ignore[method-assign]
        assert rotated(manager).changed == 1


def test_it_may_be_cut_off_anywhere_and_run_again(memory_keyed: QueueManager, work: Work, heard: Any) -> None:
    """The reply of each step is lost in turn; what was changed stays so, and the rest follows."""
    for number in range(250):
        jobs.Note.dispatch(number)
    store: Any = memory_keyed.connection()
    new = Keyring.of(NEW, [OLD])
    memory_keyed._keyrings["default"] = new
    flaky = FlakyDriver(store)
    for before in (True, False):
        flaky.cut("reseal", before=before)
        rotation = Rotation(memory_keyed, "default")
        rotation._store = flaky  # type: ignore[assignment]
        with pytest.raises(ConnectionFailed):
            rotation.run(lambda _more: None)
    result = rotated(memory_keyed)
    assert (result.changed, result.failed) == (150, ()), "one step of a hundred had been done"
    memory_keyed._keyrings["default"] = Keyring.of(NEW)
    work()
    assert sorted(text for _, text, _ in heard) == list(range(250))


@pytest.fixture
def memory_keyed() -> Any:
    """A manager with the old key, on a store in memory."""
    with opened("memory://", key=OLD) as manager:
        yield manager


def test_what_no_key_vouches_for_is_left_with_the_reason(memory_keyed: QueueManager) -> None:
    """Signing it anew would make a planted job a good one."""
    connection = memory_keyed.settings.connection()
    good, planted, foreign, moved = (memory_keyed.seal(jobs.Plain(n), connection) for n in range(4))
    body = unseal(planted.payload, memory_keyed.keyring("default"))
    memory_keyed.connection().push(
        [
            good,
            replace(planted, payload=seal(body, None)),
            replace(foreign, payload=seal(body, Keyring.of(generate_key()))),
            replace(moved, payload=good.payload),
        ]
    )
    memory_keyed._keyrings["default"] = Keyring.of(NEW, [OLD])
    result = rotated(memory_keyed)
    assert (result.matched, result.changed) == (1, 1)
    assert {job_id for job_id, _ in result.failed} == {planted.id, foreign.id, moved.id}
    assert any("is not signed" in reason for _, reason in result.failed)


def test_a_pair_takes_the_place_of_a_key(memory_keyed: QueueManager, work: Work, heard: Any) -> None:
    job: Job = jobs.Note("one")
    job.dispatch()
    signing, verifying = generate_pair()
    memory_keyed._keyrings["default"] = Keyring.of(OLD, pair=Pair(signing))
    assert rotated(memory_keyed).changed == 1
    memory_keyed._keyrings["default"] = Keyring.of(OLD, pair=Pair(None, [verifying]))
    work()
    assert heard == [("note", "one", 1)]


def test_without_a_key_there_is_nothing_to_do(work: Work) -> None:
    with opened("memory://") as manager, pytest.raises(ConfigurationError, match="has no key to seal") as caught:
        rotated(manager)
    assert "qctl key:generate" in caught.value.hint
