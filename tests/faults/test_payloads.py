"""T17 and T18: payloads that nobody can read, and such as nobody can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import psutil
import pytest
from harness.fault_jobs import Sleeps
from harness.hosts import Host
from harness.rig import Rig
from harness.scale import count
from wild_jobs import Carries, Says

from qcore.codec import encode_arguments
from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.signature import seal
from qcore.envelope import Envelope
from qcore.errors import PayloadTooLargeError
from qcore.ids import new_id
from qcore.jobs.packing import PAYLOAD_LIMIT, Payload, pack
from qcore.records import StoredJob, unpack_history
from qcore.states import JobState

_MEGABYTES = count(100)
_GROWTH_MB = 50
_GOOD = "harness.fault_jobs:Sleeps"
_CANARY = "canary:Sings"
_CANARY_SANG = "the canary sang"
_HEAD = 38
"""Bytes of a seal before the body: version, scheme, key id, signature."""
_NO_ARGUMENTS = encode_arguments((), {}, job=_GOOD, target=Sleeps)
_encode = msgspec.msgpack.Encoder().encode


class _Bad(NamedTuple):
    """A payload that is no good."""

    what: str
    error: str
    envelope: Envelope


def test_t17_unreadable_payloads(rig: Rig) -> None:
    """Each fails once, with its reason; nothing of it is imported, and the worker takes no notice."""
    key = generate_key()
    keys = Keyring.of(key)
    (rig.folder / "canary.py").write_text(f"open({_CANARY_SANG!r}, 'w').close()\nclass Sings: pass\n")
    (rig.folder / "leaves.py").write_text("raise SystemExit(5)\n")
    host = rig.host(QCTL_KEY=key)
    pids = host.serving()
    bad = list(_unreadable(keys))
    rig.connection.push([one.envelope for one in bad])
    rig.ledger.dispatched(one.envelope.id for one in bad)
    rig.drained(within_s=20)
    rig.settled(within_s=10)
    for one in bad:
        _failed_once(_stored(rig, one.envelope.id), one)
    assert not (rig.folder / _CANARY_SANG).exists(), "a module that a stored payload named was imported"
    good = pack(Sleeps(), queue="default", keyring=keys)
    rig.connection.push([good])
    rig.ledger.dispatched([good.id])
    rig.drained(within_s=10)
    assert host.serving() == pids, "the worker is still the same"
    rig.verdict()


def test_t18_oversized_arguments(rig: Rig) -> None:
    """What is too large is refused where it is dispatched, with both sizes; a byte less is carried."""
    host = rig.host()
    keys = rig.manager.keyring("default")
    frame = len(pack(Carries("x" * 100_000), queue="default", keyring=keys).payload) - 100_000
    at_the_limit = Carries("x" * (PAYLOAD_LIMIT - frame))
    rig.dispatch([Sleeps()])
    rig.drained(within_s=10)
    before_mb = _rss_mb(host)
    rig.dispatch([at_the_limit])
    for size in (PAYLOAD_LIMIT - frame + 1, _MEGABYTES * 1_000_000):
        with pytest.raises(PayloadTooLargeError, match=_said(size + frame)):
            rig.manager.dispatch([Carries("x" * size)])
    rig.dispatch([Carries([0] * count(1_000_000))])
    rig.drained(within_s=20)
    rig.settled(within_s=10)
    _grew_little(host, before_mb)
    rig.verdict()


def test_t18_oversized_ends(rig: Rig) -> None:
    """The text of an error is cut, and says so; a result that is too large fails the job, and says why."""
    host = rig.host()
    rig.dispatch([Sleeps()])
    rig.drained(within_s=10)
    before_mb = _rss_mb(host)
    error_id, result_id, small_id = rig.dispatch(
        [Says(_MEGABYTES * 1_000_000, raises=raises) for raises in (True, False)] + [Says(1000, raises=False)]
    )
    rig.drained(within_s=30)
    rig.settled(within_s=10)
    (failure,) = unpack_history(_stored(rig, error_id).history)
    assert "characters cut …" in failure.message
    assert len(failure.message) + len(failure.traceback) < 200_000
    (refused,) = unpack_history(_stored(rig, result_id).history)
    assert refused.kind == "qcore.errors.PayloadTooLargeError"
    assert f"above the limit of {PAYLOAD_LIMIT:,}" in refused.message
    assert _stored(rig, small_id).result is not None
    _grew_little(host, before_mb)
    rig.verdict()


def _said(size: int) -> str:
    return f"{size:,} bytes is above the limit of {PAYLOAD_LIMIT:,}"


def _unreadable(keys: Keyring) -> Iterator[_Bad]:
    """Everything that a payload in a store may be but a job of ours."""
    yield from _of_no_job(keys)
    yield from _of_nobody(keys)
    for path in ("no.such.module:Job", "harness.fault_jobs:Gone", "pathlib:Path", "os:system", "builtins:eval"):
        yield _Bad(path, "UnknownJobClass", _sealed(keys, job=path))
    for path in ("qcore:Job", "harness.jobs:Audited.work", "", ":", "leaves:Leaves"):
        yield _Bad(path, "UnknownJobClass", _sealed(keys, job=path))
    yield _Bad("arguments that are garbage", "PayloadError", _sealed(keys, arguments=b"\xc1\xff"))


def _of_no_job(keys: Keyring) -> Iterator[_Bad]:
    """What no version of ours ever wrote, or none yet."""
    whole = _sealed(keys).payload
    for what, payload in {
        "garbage": b"\x00\xff\xfe garbage \x80",
        "JSON that breaks off": b'{"job": "app.jobs:Send", "argu',
        "nothing": b"",
        "one byte": b"\x01",
        "a future version": b"\x02" + whole[1:],
        "an unknown scheme": b"\x01\x07" + whole[2:],
        "a signed body that is garbage": seal(b"\xc1\xff\x00", keys),
        "a signed body of another kind": seal(_encode({"job": _CANARY}), keys),
    }.items():
        yield _Bad(what, "PayloadError", msgspec.structs.replace(_sealed(keys), payload=payload))


def _of_nobody(keys: Keyring) -> Iterator[_Bad]:
    """Payloads that nobody vouches for; each names a module that must not be imported."""
    spoils: dict[str, Callable[[bytes], bytes]] = {
        "cut short": lambda whole: whole[:-5],
        "cut short in its signature": lambda whole: whole[:20],
        "altered": lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        "another signature": lambda whole: whole[:10] + bytes([whole[10] ^ 1]) + whole[11:],
        "another key": lambda whole: seal(whole[_HEAD:], Keyring.of(generate_key())),
        "no signature": lambda whole: seal(whole[_HEAD:], None),
        "of another job": lambda _: _sealed(keys, job=_CANARY).payload,
    }
    for what, spoil in spoils.items():
        canary = _sealed(keys, job=_CANARY)
        yield _Bad(what, "SignatureError", msgspec.structs.replace(canary, payload=spoil(canary.payload)))
    yield _Bad("moved", "SignatureError", msgspec.structs.replace(_sealed(keys, queue="other"), queue="default"))


def _sealed(keys: Keyring, *, job: str = _GOOD, queue: str = "default", arguments: bytes = _NO_ARGUMENTS) -> Envelope:
    job_id = new_id()
    sealed = seal(_encode(Payload(job_id, job, queue, arguments)), keys)
    return Envelope(id=job_id, job=job or "?", queue=queue, payload=sealed)


def _failed_once(stored: StoredJob, bad: _Bad) -> None:
    told = unpack_history(stored.history)
    assert stored.state is JobState.FAILED, f"{bad.what}: {stored.state}"
    assert [failure.kind for failure in told] == [f"qcore.errors.{bad.error}"], f"{bad.what}: {told}"
    assert stored.attempts == 1, bad.what


def _stored(rig: Rig, job_id: str) -> StoredJob:
    stored = rig.connection.find(job_id)
    assert stored is not None
    return stored


def _rss_mb(host: Host) -> float:
    (pid,) = host.serving()
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _grew_little(host: Host, before_mb: float) -> None:
    grown_mb = _rss_mb(host) - before_mb
    assert grown_mb < _GROWTH_MB, f"the worker has grown by {grown_mb:.0f} MB"
