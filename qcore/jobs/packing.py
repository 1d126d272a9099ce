"""Jobs into envelopes and back: encoded, guarded, signed and checked. Never a pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from qcore.codec import decode_arguments, encode_arguments
from qcore.crypto.keyring import LOCKS, Keyring
from qcore.crypto.signature import seal, unseal
from qcore.envelope import Envelope
from qcore.errors import PayloadError, PayloadTooLargeError, QueueError, SignatureError
from qcore.identity import current_identity
from qcore.ids import new_id
from qcore.jobs import contracts, options
from qcore.jobs.classes import JobClasses, class_path, resolve
from qcore.jobs.guarding import Arguments, LoadEntity, guard, hides, is_guarded, open_arguments, require_guard
from qcore.jobs.job import Job
from qcore.jobs.payload import Guard, Payload
from qcore.jobs.sensitive import mask_error

__all__ = [
    "PAYLOAD_LIMIT",
    "Guard",
    "Payload",
    "build",
    "class_path",
    "decode_any",
    "decode_payload",
    "encode_payload",
    "pack",
    "resolve",
    "unpack",
]

PAYLOAD_LIMIT = 4 * 1024 * 1024
"""Bytes of one payload, sealed."""
encode_payload = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Payload).decode
_ALTERED = "somebody altered or moved it in the store"


def pack(
    job: Job,
    *,
    queue: str,
    keyring: Keyring | None,
    encrypts: bool = False,
    limit: int = PAYLOAD_LIMIT,
    flow: str | None = None,
    ids: Callable[[], str] = new_id,
    trace: dict[str, str] | None = None,
) -> Envelope:
    """Seal a job for its way.

    Args:
        job: what to send; it gets a new id, also where it has been sent before, unless one was promised.
        queue: where it goes.
        keyring: signs the payload; None leaves it unsigned.
        encrypts: the queue encrypts every job.
        limit: bytes the sealed payload may have.
        flow: what it is to a batch, chain or graph (`flows.membership`); such a job takes no unique lock.
        ids: makes the new id.
        trace: what joins its attempts to the span in force.

    Raises:
        PayloadError: an argument, or the class itself, cannot travel.
        PayloadTooLargeError: the payload is above the limit.
        ConfigurationError: an option's value makes no sense, or a key is needed and missing.
    """
    traits = _traits.get(type(job)) or _learn(type(job))
    if not encrypts and not traits.is_guarded:
        return _packed(job, queue, keyring, traits, limit=limit, flow=flow, ids=ids, trace=trace)
    try:
        return _packed(job, queue, keyring, traits, encrypts=encrypts, limit=limit, flow=flow, ids=ids, trace=trace)
    except QueueError as error:
        mask_error(error, job, hides_all=encrypts)
        raise


def _packed(
    job: Job,
    queue: str,
    keyring: Keyring | None,
    traits: _Traits,
    *,
    encrypts: bool = False,
    limit: int,
    flow: str | None,
    ids: Callable[[], str],
    trace: dict[str, str] | None,
) -> Envelope:
    cls = type(job)
    options.name(queue, f"{cls.__qualname__}.queue")
    path = class_path(cls)
    given = (job.__dict__.keys() & _READ) | traits.given
    carried = options.read(job, given, cls.__qualname__) if given else options.NONE
    job_id = _new_id_of(job, ids)
    arguments = _encoded(job, path, hushed=encrypts or (traits.is_guarded and hides(job)))
    unique = None
    if given and given & contracts.NAMES:
        secret = keyring.sub_key(LOCKS) if keyring is not None and (encrypts or traits.is_guarded) else None
        asked, carried = contracts.asked_of_store(job, given, path, arguments, carried, secret)
        unique = asked if flow is None else None
    priority, tags = _listed_by(job, cls) if given & options.LISTED else (0, ())
    held = None if carried is options.NONE else carried
    payload = Payload(job_id, path, queue, arguments, held, None, flow, trace, priority, tags)
    identity = current_identity()
    if encrypts or traits.is_guarded or identity is not None:
        payload = guard(payload, job, keyring, identity, encrypts=encrypts)
    sealed = _within(limit, seal(encode_payload(payload), keyring), cls)
    envelope = Envelope(id=job_id, job=path, queue=queue, payload=sealed, unique=unique, flow=flow)
    return envelope if not given & options.PLACED and unique is None else _placed(envelope, job, cls, priority, tags)


def _encoded(job: Job, path: str, *, hushed: bool) -> bytes:
    """Encode the arguments of a job; where some are hidden, an error says nothing of what is in them."""
    try:
        return encode_arguments(*job._arguments, job=path, target=type(job))
    except PayloadError as error:
        if not hushed:
            raise
        hint = error.hint
    raise PayloadError(f'job "{path}": what one of its arguments holds cannot travel, and is not shown', hint=hint)


def _placed(envelope: Envelope, job: Job, cls: type[Job], priority: int, tags: tuple[str, ...]) -> Envelope:
    """Say of an envelope when it is due, what orders it, and what it is found by."""
    delay_us, due_us = _due(job, cls)
    return msgspec.structs.replace(envelope, delay_us=delay_us, due_us=due_us, priority=priority, tags=tags)


def _listed_by(job: Job, cls: type[Job]) -> tuple[int, tuple[str, ...]]:
    """By what a job is ordered and found: priority and tags."""
    name = cls.__qualname__
    priority = options.count(job.priority, f"{name}.priority", -(2**31))
    return priority, options.tags_of(job.tags, f"{name}.tags")


class Stored(Protocol):
    """A job as a store gives it: an envelope, a lease, a record."""

    @property
    def id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def priority(self) -> int: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def flow(self) -> str | None: ...


def unpack(stored: Stored, keyring: Keyring | None) -> Payload:
    """Open a payload that came out of a store, before anything of it is imported.

    Args:
        stored: as the store gave it; what it says of the job must be what was signed.
        keyring: verifies the signature; with one, an unsigned payload is refused.

    Raises:
        SignatureError: the signature is missing or wrong, or the envelope was altered or moved.
        PayloadError: it cannot be read.
    """
    payload = decode_payload(unseal(stored.payload, keyring), job_id=stored.id, queue=stored.queue)
    if payload.flow != stored.flow:
        raise _altered(stored, "flow", stored.flow, payload.flow)
    if payload.priority != stored.priority and payload.priority is not None:
        raise _altered(stored, "priority", stored.priority, payload.priority)
    if payload.tags != stored.tags and payload.tags is not None:
        raise _altered(stored, "tags", list(stored.tags), list(payload.tags))
    return payload


def _altered(stored: Stored, what: str, said: object, signed: object) -> SignatureError:
    name = f"job {stored.id} on {stored.queue!r}"
    return SignatureError(f"{name}: it is said to be of {what} {said}, and is of {signed}", hint=_ALTERED)


def decode_payload(body: bytes, *, job_id: str, queue: str) -> Payload:
    """Read what a seal held, and see that it belongs where it was found; raises as `unpack` does."""
    payload = decode_any(body, f"job {job_id}: the payload")
    if payload.id != job_id or payload.queue != queue:
        raise SignatureError(
            f"job {job_id} on {queue!r}: the payload belongs to job {payload.id} on {payload.queue!r}",
            hint=_ALTERED,
        )
    return payload


def decode_any(body: bytes, what: str = "a payload") -> Payload:
    """Read what a seal held, wherever it belongs: to be looked at, never to be run.

    Raises:
        PayloadError: it cannot be read; `what` names it.
    """
    try:
        return _decode(body)
    except msgspec.MsgspecError as error:
        raise PayloadError(f"{what} cannot be read: {error}") from error


def build(
    payload: Payload,
    load_entity: LoadEntity | None = None,
    *,
    classes: JobClasses | None = None,
    keyring: Keyring | None = None,
    listed_as: str | None = None,
) -> Job:
    """Call the job's constructor again with the arguments that travelled.

    Args:
        payload: verified.
        load_entity: loads an entity that travelled by primary key.
        classes: finds the class; any module's if None.
        keyring: decrypts what is encrypted.
        listed_as: class path under which the store gave it, which must be its own.

    Raises:
        UnknownJobClass: the class path leads to no job here.
        SignatureError: it is listed as another, or is a `SecureJob` that nobody signed as one.
        PayloadError: an argument cannot be decrypted or read.
    """
    cls = resolve(payload.job) if classes is None else classes.find(payload.job)
    if listed_as is not None and listed_as != payload.job:
        raise SignatureError(f"job {payload.id} is listed as {listed_as}, and is of {payload.job}", hint=_ALTERED)
    if cls._required_permissions is not None:
        require_guard(payload, keyring)
    if payload.guard is None:
        args, kwargs = decode_arguments(payload.arguments, load_entity=load_entity)
        job = cls(*args, **kwargs)
    else:
        job = _guarded(cls, *open_arguments(payload, keyring, load_entity))
    job._id = payload.id
    if payload.guard is not None:
        job._dispatched_by = payload.guard.identity
    if payload.trace is not None:
        job._trace = payload.trace
    return job


def _guarded(cls: type[Job], arguments: Arguments, hidden: Arguments | None) -> Job:
    """Build a job that knows before its constructor runs what it must not show of its arguments."""
    args, kwargs = arguments
    job = cls.__new__(cls, *args, **kwargs)
    job._sealed_arguments = hidden
    job.__init__(*args, **kwargs)  # type: ignore[misc]  # as calling the class does
    return job


def _within(limit: int, sealed: bytes, cls: type[Job]) -> bytes:
    if len(sealed) > limit:
        raise PayloadTooLargeError(
            f"{cls.__qualname__}: a payload of {len(sealed):,} bytes is above the limit of {limit:,}",
            hint="store the data elsewhere and send its id or path",
        )
    return sealed


class _Traits(msgspec.Struct, frozen=True, gc=False):
    """What is the same for every job of a class."""

    given: frozenset[str]
    """What differs from the default: options, and `contracts.NAMES`."""
    is_guarded: bool


_traits: dict[type[Job], _Traits] = {}
_READ = options.ALL | (contracts.NAMES - contracts.CLASSES)


def _learn(cls: type[Job]) -> _Traits:
    given = {name for name in _READ if getattr(cls, name) is not getattr(Job, name)}
    given |= contracts.classes_of(cls)
    traits = _traits[cls] = _Traits(frozenset(given), is_guarded(cls))
    return traits


def _due(job: Job, cls: type[Job]) -> tuple[int, int | None]:
    """When it is due: from the store's now, or at an instant."""
    debounced = contracts.debounce_us(job, cls.__qualname__)
    return options.due(job.delay, f"{cls.__qualname__}.delay") if debounced is None else (debounced[0], None)


def _new_id_of(job: Job, ids: Callable[[], str]) -> str:
    """Give the job the id of this dispatch: the promised one, which serves once, or a new one."""
    promised = job._promised_id
    if promised is not None:
        job._promised_id = None
    job._id = job_id = promised or ids()
    return job_id
