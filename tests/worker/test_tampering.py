"""Whoever can write to the store can make no job run that was not dispatched, nor any other way than it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import sealed_jobs as jobs
from forging import GRANTED, KEYS, SIGNING, VERIFYING, kinds, opened, sealed, written
from msgspec.structs import replace

from qcore import Job, JobRecord, JobState, QueueManager, SignatureError, batch
from qcore.codec import encode_arguments, encode_value
from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.pair import Pair, generate_pair
from qcore.crypto.signature import seal
from qcore.flows import Hook
from qcore.jobs.packing import encode_payload
from qcore.monitor import Monitor
from qcore.monitor.reading import result_of, shown_result
from qcore.worker import StopReason
from qcore.workflows.callbacks import Callback

Work = Callable[..., StopReason]


@pytest.fixture(autouse=True)
def heard() -> list[tuple[Any, ...]]:
    jobs.HEARD.clear()
    return jobs.HEARD


@pytest.fixture(params=KEYS)
def keys(request: pytest.FixtureRequest) -> dict[str, str]:
    return KEYS[request.param]


@pytest.fixture
def memory(keys: dict[str, str]) -> Iterator[QueueManager]:
    """A manager on a store in memory, with keys of each kind."""
    with opened("memory://", keys) as manager:
        yield manager


@pytest.fixture
def keyed(store_url: str) -> Iterator[QueueManager]:
    """A manager with a key, on each kind of store that outlives a process."""
    with opened(store_url, KEYS["hmac"]) as manager:
        yield manager


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that leaves a file behind when it is imported, and the file."""
    sang = tmp_path / "sang"
    body = f"from qcore import Job\nwith open({str(sang)!r}, 'w'): pass\nclass Sings(Job):\n    def handle(self): ...\n"
    (tmp_path / "canary.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield sang
    sys.modules.pop("canary", None)


def made() -> list[Job]:
    return [jobs.Plain("x"), jobs.Note("secret"), jobs.Pay("4111", 5), jobs.Plain("y").with_tries(5).with_timeout(9)]


@pytest.mark.parametrize("which", range(4), ids=["plain", "encrypted", "secure", "with options"])
def test_each_byte_that_is_altered(memory: QueueManager, work: Work, heard: Any, which: int) -> None:
    size = len(sealed(memory, made()[which]).payload)
    spoiled = []
    for place in range(size):
        envelope = sealed(memory, made()[which])
        bad = bytearray(envelope.payload)
        bad[place] ^= 1 << place % 8
        spoiled.append(replace(envelope, payload=bytes(bad)))
    heard.clear()
    memory.connection().push(spoiled)
    work(grants=GRANTED)
    assert heard == []
    assert len(kinds(memory)) == size
    assert set(kinds(memory)) == {"SignatureError", "PayloadError"}, "the latter where it is of no version of ours"
    assert kinds(memory).count("PayloadError") <= 2


def test_an_altered_payload_imports_nothing(memory: QueueManager, work: Work, canary: Path) -> None:
    keyring = memory.keyring("default")
    whole = written(keyring, "canary:Sings")
    for place in range(len(whole.payload)):
        one = written(keyring, "canary:Sings")
        bad = bytearray(one.payload)
        bad[place] ^= 0x10
        memory.connection().push([replace(one, payload=bytes(bad))])
    for foreign in (None, Keyring.of(generate_key()), Keyring(None, pair=Pair(generate_pair()[0]))):
        memory.connection().push([written(foreign, "canary:Sings")])
    work()
    assert len(kinds(memory)) == len(whole.payload) + 3
    assert not canary.exists()
    memory.connection().push([whole])
    work()
    assert canary.exists(), "a payload that is good imports it"


@pytest.mark.parametrize("field", ["id", "queue", "job", "payload", "priority", "tags"])
@pytest.mark.parametrize("make", [lambda: (jobs.Note("one"), jobs.Plain("two").on_queue("other")),
                                  lambda: (jobs.Pay("4111", 1), jobs.Free().on_queue("other"))])  # fmt: skip
def test_fields_that_change_places(
    keyed: QueueManager, work: Work, heard: Any, field: str, make: Callable[[], tuple[Job, Job]]
) -> None:
    first, second = make()
    one, two = sealed(keyed, first.with_priority(1).with_tags("a")), sealed(keyed, second.with_tags("b"))
    heard.clear()
    keyed.connection().push(
        [replace(one, **{field: getattr(two, field)}), replace(two, **{field: getattr(one, field)})]
    )
    work(["default", "other"], grants=GRANTED)
    assert heard == []
    assert kinds(keyed) == ["SignatureError"] * 2


def test_ciphertext_that_changes_places(memory: QueueManager, work: Work, heard: Any) -> None:
    """Even with the key that signs nothing can be moved: a ciphertext is bound to its job, its class, its purpose."""
    from qcore.jobs.packing import unpack

    keyring = memory.keyring("default")
    first, second, pay = (sealed(memory, job) for job in (jobs.Note("one"), jobs.Note("two"), jobs.Pay("4111", 1)))
    bodies = [unpack(one, keyring) for one in (first, second, pay)]
    moved = replace(bodies[0], arguments=bodies[1].arguments)
    guard = bodies[2].guard
    assert guard is not None
    turned = replace(bodies[1], arguments=guard.hidden)
    heard.clear()
    memory.connection().push(
        [
            replace(first, payload=seal(encode_payload(moved), keyring)),
            replace(second, payload=seal(encode_payload(turned), keyring)),
        ]
    )
    work(grants=GRANTED)
    assert heard == []
    assert kinds(memory) == ["DecryptionError"] * 2


def test_a_result_that_changes_places(keyed: QueueManager, work: Work) -> None:
    from qcore.errors import DecryptionError

    ids = [jobs.Note.dispatch(text) for text in ("one", "two")]
    work()
    one, two = (keyed.connection().find(job_id) for job_id in ids)
    assert one is not None
    assert two is not None
    assert result_of(one, keyed.keyring("default")) == {"echo": "one"}
    with pytest.raises(DecryptionError):
        result_of(replace(one, result=two.result), keyed.keyring("default"))


def test_a_result_of_a_class_is_vouched_for(keyed: QueueManager, work: Work, canary: Path) -> None:
    job_id = jobs.Totals.dispatch()
    plain_id = jobs.Plain.dispatch({"a": [1, 2]})
    work()
    assert JobRecord.find(job_id).result == jobs.Sum(3)
    stored = keyed.connection().find(job_id)
    assert stored is not None
    assert shown_result(stored) == {"$class": "sealed_jobs:Sum", "total": 3}
    planted = encode_value(jobs.Sum(4), what="x").replace(b"sealed_jobs:Sum", b"canary.co:Sings")
    for data in (planted, stored.result[:-1] + b"\x04" if stored.result else b""):
        with pytest.raises(SignatureError):
            result_of(replace(stored, result=data), keyed.keyring("default"))
    assert not canary.exists()
    other = keyed.connection().find(plain_id)
    assert other is not None
    with pytest.raises(SignatureError, match="is that of"):
        result_of(replace(stored, result=other.result), keyed.keyring("default"))
    assert result_of(replace(other, result=encode_value([1, "x"], what="x")), keyed.keyring("default")) == [1, "x"]


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "among others"])
@pytest.mark.parametrize("repeat", [False, True], ids=["pushed", "repeated"])
def test_a_job_that_ended_is_not_run_again(
    keyed: QueueManager, work: Work, heard: Any, repeat: bool, others: int
) -> None:
    completed, failed, cancelled = (sealed(keyed, job) for job in (jobs.Note("once"), jobs.Leaks("x"), jobs.Plain("y")))
    keyed.connection().push([completed, failed, cancelled])
    keyed.connection().cancel([cancelled.id])
    work()
    began = [*heard]
    for envelope in (completed, failed, cancelled):
        again = [sealed(keyed, jobs.Free()) for _ in range(others)] + [envelope]
        assert list(keyed.connection().push(again, repeat=repeat)) == [one.id for one in again]
    work()
    assert began == [("note", "once", 1), ("leaks", 1)]
    assert heard == [*began, *[("free",)] * 3 * others]
    ended = [JobRecord.find(one.id).state for one in (completed, failed, cancelled)]
    assert ended == [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]


@pytest.mark.parametrize(
    "path", ["os:system", "builtins:eval", "subprocess:Popen", "pathlib:Path", "qcore:Job", "", ":", "no.such:Job"]
)
def test_a_class_path_that_leads_to_no_job(
    memory: QueueManager, work: Work, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Signed even: whoever holds the key can name what is no job, and still cannot call it."""
    called: list[Any] = []
    monkeypatch.setattr("os.system", called.append)
    arguments = encode_arguments(("touch /tmp/never",), {}, job=path)
    memory.connection().push([written(memory.keyring("default"), path, arguments)])
    work()
    assert kinds(memory) == ["UnknownJobClass"]
    assert called == []


def test_a_class_outside_of_what_is_allowed(keys: dict[str, str], work: Work, heard: Any, canary: Path) -> None:
    with opened("memory://", keys | {"allowed_modules": "sealed_jobs"}) as manager:
        manager.connection().push([written(manager.keyring("default"), "canary:Sings")])
        jobs.Plain.dispatch("fine")
        work()
        assert kinds(manager) == ["UnknownJobClass"]
    assert heard == [("plain", "fine")]
    assert not canary.exists()


def test_a_class_that_is_reached_through_a_module_that_is_allowed(
    keys: dict[str, str], work: Work, monkeypatch: pytest.MonkeyPatch, canary: Path
) -> None:
    import canary as other  # it sings while it is imported here

    monkeypatch.setattr(jobs, "other", other, raising=False)
    with opened("memory://", keys | {"allowed_modules": "sealed_jobs"}) as manager:
        manager.connection().push([written(manager.keyring("default"), "sealed_jobs:other.Sings")])
        work()
        assert kinds(manager) == ["UnknownJobClass"]


def test_a_closure_that_is_signed_with_another_key(store_url: str, work: Work, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    code = cloudpickle.dumps(ran.touch)
    python = "{}.{}".format(*sys.version_info)
    with opened(store_url, {"key": generate_key()}) as theirs:
        batch_id = batch([jobs.Plain("x")]).dispatch()
        foreign = theirs.seal(Callback(batch_id, Hook.THEN.value, None, code, python), theirs.settings.connection())
        assert theirs.connection().clear("default") == 1
    with opened(store_url, {"key": generate_key()}) as manager:
        manager.connection().push([foreign])
        work()
        assert kinds(manager) == ["SignatureError"]
    assert not ran.exists()


@pytest.mark.parametrize("name", ["os:abort", "posix:abort", "subprocess:run", "sealed_jobs:asyncio.run"])
def test_a_callback_that_somebody_planted_where_no_key_is(work: Work, name: str) -> None:
    with opened("memory://", {}) as manager:
        batch_id = batch([jobs.Plain("x")]).dispatch()
        manager.dispatch([Callback(batch_id, Hook.THEN.value, name)])
        work(queues="default")
        (kind,) = kinds(manager)
        assert kind == "PayloadError"


def test_those_who_only_verify_run_jobs_and_can_make_none(store_url: str, work: Work, heard: Any) -> None:
    key = generate_key()
    with opened(store_url, {"key": key, "signing_key": SIGNING}):
        jobs.Note.dispatch("signed")
    with opened(store_url, {"key": key, "verify_keys": VERIFYING}) as worker:
        forged = [written(Keyring.of(key), "sealed_jobs:Plain", encode_arguments(("forged",), {}, job="x"))]
        worker.connection().push(forged)
        work()
        assert heard == [("note", "signed", 1)]
        assert kinds(worker) == ["SignatureError"]
        with pytest.raises(Exception, match="none that signs"):
            jobs.Plain.dispatch("from a worker")


def test_a_screen_says_that_a_payload_was_altered(memory: QueueManager) -> None:
    envelope = sealed(memory, jobs.Plain("x"))
    memory.connection().push([replace(envelope, payload=envelope.payload[:-1] + b"!")])
    shown = Monitor(memory).job(envelope.id)
    assert shown.arguments is None
    assert "does not fit its signature" in (shown.payload or {})["unreadable"]
