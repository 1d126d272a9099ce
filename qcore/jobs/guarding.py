"""Jobs under guard: their arguments hidden where they asked for it, and shown to nobody but the job itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from qcore.codec import MASK, Mask, decode_arguments, decode_value, encode_arguments, sketch_arguments
from qcore.crypto.cipher import MAKE_ONE, decrypt, encrypt, is_current, is_encrypted, place_of, require_key
from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import is_signed, peek, seal, unseal, unseal_any
from qcore.errors import ConfigurationError, PayloadError, SignatureError
from qcore.identity import Identity, current_identity
from qcore.jobs.contracts import ShouldBeEncrypted
from qcore.jobs.job import Job
from qcore.jobs.payload import Guard, Payload
from qcore.jobs.sensitive import sensitive_arguments

LoadEntity = Callable[[type, tuple[Any, ...]], Any]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""By position, and by name."""
_ARGUMENTS, _SENSITIVE, _RESULT = "arguments", "sensitive", "result"
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[str, str, str, bytes]).decode


def is_guarded(cls: type[Job]) -> bool:
    """Whether a class asks for its jobs to be guarded."""
    return issubclass(cls, ShouldBeEncrypted) or is_secure(cls)


def hides(job: Job) -> bool:
    """Whether a job of a guarded class hides some of its arguments."""
    return isinstance(job, ShouldBeEncrypted) or bool(job._sensitive_fields)


def is_secure(cls: type[Job]) -> bool:
    """Whether a class is a `SecureJob`."""
    return cls._required_permissions is not None


def required_of(job: Job) -> tuple[str, ...]:
    """Return the permissions that running a job takes; of a class that asks for none, an own attribute says nothing."""
    return job._required_permissions or () if is_secure(type(job)) else ()


def standing_of(job: Job) -> tuple[tuple[str, ...], Identity | None]:
    """Return what the process is granted that runs a job, and on whose behalf it was dispatched."""
    context = job._context
    return context.desk.grants if context is not None else (), job._dispatched_by or current_identity()


def guard(payload: Payload, job: Job, keyring: Keyring | None, identity: Identity | None, *, encrypts: bool) -> Payload:
    """Hide what is to be hidden, and write down who may run the job.

    Args:
        payload: with its arguments in clear.
        job: that it was made of.
        keyring: of the connection.
        identity: on whose behalf it is dispatched.
        encrypts: its queue encrypts every job.

    Raises:
        ConfigurationError: there is no key to sign or to encrypt with, or a sensitive field is no argument.
    """
    name = type(job).__qualname__
    if keyring is None and identity is not None:
        raise ConfigurationError(
            f"{name} is dispatched as {identity.user!r}, which must be signed, and there is no key", hint=MAKE_ONE
        )
    secure = is_secure(type(job))
    if keyring is None and secure:
        raise ConfigurationError(f"{name} is a SecureJob and must be signed, and there is no key", hint=MAKE_ONE)
    made = Guard(required=job._required_permissions if secure else None, identity=identity)
    if encrypts or isinstance(job, ShouldBeEncrypted):
        sealed = _encrypted(payload.arguments, payload, require_key(keyring, name), _ARGUMENTS)
        made = msgspec.structs.replace(made, is_encrypted=True)
        return msgspec.structs.replace(payload, arguments=sealed, guard=made)
    if not secure or not job._sensitive_fields:
        return msgspec.structs.replace(payload, guard=made)
    return _hidden(payload, job, made, require_key(keyring, f"a sensitive field of {name}"))


def open_arguments(
    payload: Payload, keyring: Keyring | None, load_entity: LoadEntity | None
) -> tuple[Arguments, Arguments | None]:
    """Return the arguments of a guarded job as its constructor takes them, and those of them that are hidden, if any.

    Raises:
        DecryptionError: no key at hand opens them.
        PayloadError: they cannot be read.
    """
    held = payload.guard
    if held is not None and held.is_encrypted:
        every = decode_arguments(_decrypted(payload.arguments, payload, keyring, _ARGUMENTS), load_entity=load_entity)
        return every, every
    args, kwargs = decode_arguments(payload.arguments, load_entity=load_entity)
    if held is None or held.hidden is None:
        return (args, kwargs), None
    hidden = _decrypted(held.hidden, payload, keyring, _SENSITIVE)
    values, named = decode_arguments(hidden, load_entity=load_entity)
    filled = list(args)
    for place, value in zip(held.places, values, strict=True):
        filled[place] = value
    return (tuple(filled), kwargs | named), (values, named)


def require_guard(payload: Payload, keyring: Keyring | None) -> None:
    """See that the payload of a `SecureJob` is signed, and says what the job requires.

    Raises:
        SignatureError: it is not, or does not.
    """
    if keyring is None:
        raise SignatureError(
            f"{payload.job} is a SecureJob: nobody has signed it, and no key is configured here to check one with",
            hint=MAKE_ONE,
        )
    if payload.guard is None or payload.guard.required is None:
        raise SignatureError(
            f"{payload.job} is a SecureJob, and was signed without saying what it requires",
            hint="it was dispatched before its class became one: dispatch it again",
        )


def mask_of(payload: Payload | None, keyring: Keyring | None) -> Mask | None:
    """Return what hides a guarded job's arguments in texts about it; None where there is nothing to hide.

    Nothing that the arguments name is imported or loaded.
    """
    if payload is None or payload.guard is None or not payload.guard.hides:
        return None
    hidden, purpose = payload.guard.hidden, _SENSITIVE
    if hidden is None:
        hidden, purpose = payload.arguments, _ARGUMENTS
    try:
        args, kwargs = sketch_arguments(_decrypted(hidden, payload, keyring, purpose))
    except PayloadError:
        return None  # nobody here has seen them either
    return Mask([args, [*kwargs.values()]])


def reencrypted(payload: Payload, keyring: Keyring) -> Payload:
    """Encrypt what a payload hides under the key in force, unless it is.

    Raises:
        DecryptionError: no key of the ring opens it.
        ConfigurationError: there is no key in force to encrypt with.
    """
    held = payload.guard
    if held is None or not held.hides:
        return payload
    if held.hidden is None:
        return msgspec.structs.replace(payload, arguments=_again(payload.arguments, payload, keyring, _ARGUMENTS))
    hidden = _again(held.hidden, payload, keyring, _SENSITIVE)
    return msgspec.structs.replace(payload, guard=msgspec.structs.replace(held, hidden=hidden))


def seal_result(encoded: bytes, payload: Payload | None, keyring: Keyring | None) -> bytes:
    """Encrypt what a job returned, if its arguments are hidden; else sign it, where something here signs."""
    if payload is None:
        return encoded
    if payload.guard is not None and payload.guard.hides:
        return _encrypted(encoded, payload, require_key(keyring, f"the result of {payload.job}"), _RESULT)
    if keyring is None or (keyring.pair is not None and not keyring.pair.signs):
        return encoded
    return seal(_pack((_RESULT, payload.id, payload.job, encoded)), keyring)


def read_result(data: bytes, job_id: str, job: str, keyring: Keyring | None) -> Any:
    """Decode what a job returned, as `seal_result` closed it.

    Where keys are configured and nobody signed it, it is read, but no class that it names is imported.

    Raises:
        DecryptionError: it is encrypted, and no key at hand opens it.
        SignatureError: it was altered, is another job's, or names a class and nobody vouches for it.
        PayloadError: it cannot be read.
    """
    if is_encrypted(data):
        return decode_value(decrypt(data, keyring, place_of(_RESULT, job_id, job), f"job {job_id}: its result"))
    if not is_signed(data):
        return decode_value(data, what=f"the result of job {job_id}", is_vouched=keyring is None)
    return decode_value(_own_result(unseal(data, keyring), job_id, job))


def reseal_result(data: bytes, job_id: str, job: str, keyring: Keyring) -> bytes:
    """Encrypt or sign what a job returned with the key in force, as `seal_result` did with another.

    What neither was done to stays as it is: nobody vouched for it.

    Raises:
        DecryptionError: it is encrypted, and no key of the ring opens it.
        SignatureError: no key of the ring has signed it, it was altered, or is another job's.
        ConfigurationError: a pair of keys is configured, and not the half of it that signs.
    """
    if is_encrypted(data):
        place = place_of(_RESULT, job_id, job)
        clear = decrypt(data, keyring, place, "it")
        return data if is_current(data, keyring) else encrypt(clear, keyring, place)
    if not is_signed(data):
        return data
    body = unseal_any(data, keyring)
    _own_result(body, job_id, job)
    return seal(body, keyring)


def bare_result(data: bytes) -> bytes | None:
    """The encoded result, to be described: whoever made it, and nothing decrypted; None where it is encrypted."""
    if is_encrypted(data):
        return None
    return _unpack(peek(data))[3] if is_signed(data) else data


def _own_result(body: bytes, job_id: str, job: str) -> bytes:
    """What a job returned, encoded, out of what was signed."""
    purpose, owner, kind, encoded = _unpack(body)
    if (purpose, owner, kind) != (_RESULT, job_id, job):
        raise SignatureError(f"the result of job {job_id} is that of {owner}", hint="somebody moved it in the store")
    return encoded


def _hidden(payload: Payload, job: Job, made: Guard, keyring: Keyring) -> Payload:
    """Take the sensitive arguments out, and leave a mask in their places."""
    args, kwargs = job._arguments
    places, named = sensitive_arguments(job)
    if not places and not named:
        return msgspec.structs.replace(payload, guard=made)
    clear = encode_arguments(
        tuple(MASK if place in places else value for place, value in enumerate(args)),
        {key: MASK if key in named else value for key, value in kwargs.items()},
        job=payload.job,
    )
    secret = encode_arguments(
        tuple(args[place] for place in places), {key: kwargs[key] for key in kwargs if key in named}, job=payload.job
    )
    sealed = _encrypted(secret, payload, keyring, _SENSITIVE)
    made = msgspec.structs.replace(made, hidden=sealed, places=places)
    return msgspec.structs.replace(payload, arguments=clear, guard=made)


def _encrypted(data: bytes, payload: Payload, keyring: Keyring, purpose: str) -> bytes:
    return encrypt(data, keyring, place_of(purpose, payload.id, payload.job))


def _decrypted(data: bytes, payload: Payload, keyring: Keyring | None, purpose: str) -> bytes:
    what = f"job {payload.id}: its {'sensitive fields' if purpose is _SENSITIVE else 'payload'}"
    return decrypt(data, keyring, place_of(purpose, payload.id, payload.job), what)


def _again(data: bytes, payload: Payload, keyring: Keyring, purpose: str) -> bytes:
    clear = _decrypted(data, payload, keyring, purpose)  # also what is not to be changed must open
    return data if is_current(data, keyring) else _encrypted(clear, payload, keyring, purpose)
