"""Payloads as somebody might alter or make them who can write to the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from fakes.managers import in_use

from qcore import Job, QueueManager
from qcore.codec import encode_arguments
from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.pair import generate_pair
from qcore.crypto.signature import peek, seal
from qcore.envelope import Envelope
from qcore.ids import new_id
from qcore.jobs.packing import Payload, encode_payload
from qcore.records import unpack_history

SIGNING, VERIFYING = generate_pair()
KEYS = {
    "hmac": {"key": generate_key()},
    "ed25519": {"key": generate_key(), "signing_key": SIGNING},
}
GRANTED = ("process_payments",)


def opened(url: str, keys: dict[str, str]) -> Any:
    return in_use({"url": url, **keys})


def sealed(manager: QueueManager, job: Job) -> Envelope:
    return manager.seal(job, manager.settings.connection())


def written(keyring: Keyring | None, path: str, arguments: bytes | None = None) -> Envelope:
    """Write a payload by hand, of whatever class."""
    body = Payload(job_id := new_id(), path, "default", arguments or encode_arguments((), {}, job=path))
    return Envelope(id=job_id, job=path, queue="default", payload=seal(encode_payload(body), keyring))


def kinds(manager: QueueManager) -> list[str]:
    """The errors that jobs failed with, each once and at once; none of them was retried."""
    store = manager.connection()
    found = []
    for job in store.page("failed", limit=1000).jobs:
        (failure,) = unpack_history(job.history)
        assert job.attempts == 1
        found.append(failure.kind.removeprefix("qcore.errors."))
    return found


def regions(payload: bytes) -> Iterator[tuple[str, int, int]]:
    """What a sealed payload is made of, in order: name, first byte, and the byte after the last."""
    body = peek(payload)
    after_head = len(payload) - len(body)
    yield from (("version", 0, 1), ("scheme", 1, 2), ("key id", 2, 6), ("code", 6, after_head))
    yield "number of fields", after_head, (at := after_head + 1)
    for name, value in zip(Payload.__struct_fields__, msgspec.msgpack.decode(body), strict=True):
        size = len(msgspec.msgpack.encode(value))
        yield name, at, at + size
        at += size
    assert at == len(payload)


def altered(payload: bytes) -> Iterator[bytes]:
    """The payload with a bit flipped at the beginning, in the middle and at the end of each region."""
    for _, first, after in regions(payload):
        for place in sorted({first, (first + after) // 2, after - 1}):
            bad = bytearray(payload)
            bad[place] ^= 1 << place % 8
            yield bytes(bad)
