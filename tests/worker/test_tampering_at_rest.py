"""What lies in a store and is altered there, on each kind of store: no job of it runs, and nothing is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import sealed_jobs as jobs
from forging import GRANTED, KEYS, altered, kinds, opened, sealed, written
from msgspec.structs import replace

from qcore import Job, JobRecord, JobState, QueueManager
from qcore.codec import encode_arguments
from qcore.crypto.signature import peek, seal
from qcore.drivers.operator import Change
from qcore.envelope import Envelope
from qcore.flows import membership
from qcore.ids import new_id
from qcore.monitor import Monitor
from qcore.worker import StopReason

Work = Callable[..., StopReason]


@pytest.fixture(autouse=True)
def heard() -> list[tuple[Any, ...]]:
    jobs.HEARD.clear()
    return jobs.HEARD


@pytest.fixture(params=KEYS)
def keyed(store_url: str, request: pytest.FixtureRequest) -> Iterator[QueueManager]:
    """A manager with keys of each kind, on each kind of store that outlives a process."""
    with opened(store_url, KEYS[request.param]) as manager:
        yield manager


def made() -> list[Job]:
    """One that is plain but for all that it asks for, one that is encrypted, one that is secure."""
    plain = jobs.Plain("x").with_tries(5).with_timeout(9)
    return [job.with_priority(3).with_tags("a", "b") for job in (plain, jobs.Note("secret"), jobs.Pay("4111", 5))]


def dispatched(manager: QueueManager) -> list[Envelope]:
    """One of each kind, dispatched by somebody who is named in it."""
    with QueueManager.acting_as("ada", GRANTED):
        return [sealed(manager, job) for job in made()]


def test_each_region_of_a_payload(keyed: QueueManager, work: Work, heard: Any) -> None:
    store, changes = keyed.connection(), []
    for which in range(len(made())):
        for number in range(len([*altered(dispatched(keyed)[which].payload)])):
            whole = dispatched(keyed)[which]
            store.push([whole])
            changes.append(Change(whole.id, whole.payload, [*altered(whole.payload)][number]))
    heard.clear()
    assert len(store.reseal(changes)) == len(changes) > 90
    work(grants=GRANTED)
    assert heard == []
    found = kinds(keyed)
    assert len(found) == len(changes)
    assert set(found) == {"SignatureError", "PayloadError"}, "the latter where it is of no version of ours"
    assert found.count("PayloadError") <= 2 * 3


OTHERWISE: dict[str, Callable[[], Any]] = {
    "id": new_id,
    "job": lambda: "sealed_jobs:Free",
    "queue": lambda: "other",
    "priority": lambda: 4,
    "tags": lambda: ("a",),
    "flow": lambda: membership(new_id()),
}


def test_each_field_beside_the_payload(keyed: QueueManager, work: Work, heard: Any) -> None:
    bad = [replace(one, **{field: make()}) for field, make in OTHERWISE.items() for one in dispatched(keyed)]
    heard.clear()
    keyed.connection().push(bad)
    work(["default", "other"], grants=GRANTED)
    assert heard == []
    assert kinds(keyed) == ["SignatureError"] * len(bad)


def test_whoever_alters_nothing_is_not_refused(keyed: QueueManager, work: Work, heard: Any) -> None:
    store, whole = keyed.connection(), dispatched(keyed)
    store.push(whole)
    assert {(job.priority, job.tags) for job in store.page("pending").jobs} == {(3, ("a", "b"))}
    work(grants=GRANTED)
    assert kinds(keyed) == []
    assert {entry[0] for entry in heard} >= {"plain", "note", "paid"}


def test_payloads_from_before_priority_and_tags_were_signed_are_read(
    keyed: QueueManager, work: Work, heard: Any
) -> None:
    now = sealed(keyed, jobs.Plain("old").with_priority(3).with_tags("a"))
    *before, priority, tags = msgspec.msgpack.decode(peek(now.payload))
    assert (priority, tags) == (3, ["a"])
    old = replace(now, payload=seal(msgspec.msgpack.encode(before), keyed.keyring("default")))
    keyed.connection().push([old])
    assert Monitor(keyed).job(old.id).arguments == "'old'"
    work()
    assert heard == [("plain", "old")]
    assert JobRecord.find(old.id).state is JobState.COMPLETED


FORGED = ["os:system", "builtins:eval", "subprocess:Popen", "pathlib:Path", "cloudpickle:loads", "qcore:Job", "", "a:"]


def test_class_paths_that_lead_to_no_job_that_is_allowed(
    store_url: str, work: Work, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed even: whoever holds the key can name what is no job, and still cannot call it."""
    called: list[Any] = []
    monkeypatch.setattr("os.system", called.append)
    with opened(store_url, KEYS["hmac"] | {"allowed_modules": "sealed_jobs"}) as manager:
        arguments = encode_arguments(("touch /tmp/never",), {}, job="x")
        for path in [*FORGED, "worker_jobs:Note"]:
            manager.connection().push([written(manager.keyring("default"), path, arguments)])
        jobs.Plain.dispatch("fine")
        work()
        assert kinds(manager) == ["UnknownJobClass"] * (len(FORGED) + 1)
    assert called == []
    assert heard == [("plain", "fine")]
