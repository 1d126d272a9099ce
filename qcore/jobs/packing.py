"""Jobs into envelopes and back: encoded, signed and checked. Never a pickle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from qcore.codec import decode_arguments, encode_arguments
from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal
from qcore.envelope import Envelope
from qcore.errors import PayloadError, PayloadTooLargeError, SignatureError, UnknownJobClass
from qcore.ids import new_id
from qcore.jobs import contracts, options
from qcore.jobs.job import Job

PAYLOAD_LIMIT = 4 * 1024 * 1024
"""Bytes of one payload, sealed."""


class Payload(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is signed: everything a worker needs to run the job, and where it belongs."""

    id: str
    job: str
    queue: str
    arguments: bytes
    options: options.JobOptions | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Payload).decode


def pack(job: Job, *, queue: str, keyring: Keyring | None, limit: int = PAYLOAD_LIMIT) -> Envelope:
    """Seal a job for its way.

    Args:
        job: what to send; it gets a new id, also where it has been sent before, unless one was promised.
        queue: where it goes.
        keyring: signs the payload; None leaves it unsigned.
        limit: bytes the sealed payload may have.

    Raises:
        PayloadError: an argument, or the class itself, cannot travel.
        PayloadTooLargeError: the payload is above the limit.
        ConfigurationError: an option's value makes no sense.
    """
    cls = type(job)
    options.name(queue, f"{cls.__qualname__}.queue")
    path = class_path(cls)
    given = _given(job, cls)
    carried = options.read(job, given, cls.__qualname__) if given else options.NONE
    args, kwargs = job._arguments
    job_id = _new_id_of(job)
    arguments = encode_arguments(args, kwargs, job=path, target=cls)
    unique = None
    if given and given & contracts.NAMES:
        unique, carried = contracts.asked_of_store(job, given, path, arguments, carried)
    payload = Payload(job_id, path, queue, arguments, None if carried is options.NONE else carried)
    sealed = seal(_encode(payload), keyring)
    if len(sealed) > limit:
        raise PayloadTooLargeError(
            f"{cls.__qualname__}: a payload of {len(sealed):,} bytes is above the limit of {limit:,}",
            hint="store the data elsewhere and send its id or path",
        )
    if not given & options.PLACED and unique is None:
        return Envelope(id=job_id, job=path, queue=queue, payload=sealed)
    delay_us, due_us = _due(job, cls)
    return Envelope(
        id=job_id,
        job=path,
        queue=queue,
        payload=sealed,
        priority=options.count(job.priority, f"{cls.__qualname__}.priority", -(2**31)),
        delay_us=delay_us,
        due_us=due_us,
        tags=options.tags_of(job.tags, f"{cls.__qualname__}.tags"),
        unique=unique,
    )


def unpack(sealed: bytes, keyring: Keyring | None, *, job_id: str, queue: str) -> Payload:
    """Open a payload that came out of a store, before anything of it is imported.

    Args:
        sealed: as stored.
        keyring: verifies the signature; with one, an unsigned payload is refused.
        job_id: under which the store gave it.
        queue: from which the store gave it.

    Raises:
        SignatureError: the signature is missing or wrong, or the envelope was altered or moved.
        PayloadError: it cannot be read.
    """
    try:
        payload = _decode(unseal(sealed, keyring))
    except msgspec.MsgspecError as error:
        raise PayloadError(f"job {job_id}: the payload cannot be read: {error}") from error
    if payload.id != job_id or payload.queue != queue:
        raise SignatureError(
            f"job {job_id} on {queue!r}: the payload belongs to job {payload.id} on {payload.queue!r}",
            hint="somebody altered or moved it in the store",
        )
    return payload


def build(payload: Payload, load_entity: Callable[[type, tuple[Any, ...]], Any] | None = None) -> Job:
    """Call the job's constructor again with the arguments that travelled.

    Raises:
        UnknownJobClass: the class path leads to no job here.
        PayloadError: an argument cannot be read.
    """
    cls = resolve(payload.job)
    args, kwargs = decode_arguments(payload.arguments, load_entity=load_entity)
    job = cls(*args, **kwargs)
    job._id = payload.id
    return job


def class_path(cls: type[Job]) -> str:
    """Return `module:QualName` of a job class that a worker can import.

    Raises:
        PayloadError: it is defined in `__main__` or inside a function, or its name leads elsewhere.
    """
    path = _paths.get(cls)
    if path is None:
        path = _paths[cls] = _checked_path(cls)
    return path


def resolve(path: str) -> type[Job]:
    """Find the job class of a path; nothing but a `Job` or an `@job` function is ever returned.

    Raises:
        UnknownJobClass: there is none.
    """
    cls = _classes.get(path)
    if cls is None:
        cls = _classes[path] = _found(path)
    return cls


_paths: dict[type[Job], str] = {}
_classes: dict[str, type[Job]] = {}
_class_options: dict[type[Job], frozenset[str]] = {}
_READ = options.ALL | (contracts.NAMES - {"unique"})


def _new_id_of(job: Job) -> str:
    """Give the job the id of this dispatch: the promised one, which serves once, or a new one."""
    promised = job._promised_id
    if promised is not None:
        job._promised_id = None
    job._id = job_id = promised or new_id()
    return job_id


def _due(job: Job, cls: type[Job]) -> tuple[int, int | None]:
    """When it is due: from the store's now, or at an instant."""
    debounced = contracts.debounce_us(job, cls.__qualname__)
    return options.due(job.delay, f"{cls.__qualname__}.delay") if debounced is None else (debounced[0], None)


def _given(job: Job, cls: type[Job]) -> set[str]:
    """Name what differs from the default, by class or by instance: options, and `contracts.NAMES`."""
    of_class = _class_options.get(cls)
    if of_class is None:
        differing = {name for name in _READ if getattr(cls, name) is not getattr(Job, name)}
        of_class = frozenset(differing | ({"unique"} if issubclass(cls, contracts.ShouldBeUnique) else set()))
        _class_options[cls] = of_class
    return (job.__dict__.keys() & _READ) | of_class


def _checked_path(cls: type[Job]) -> str:
    module, name = cls.__module__, cls.__qualname__
    if module == "__main__":
        raise PayloadError(
            f"{name} is defined in __main__, where no worker can import it",
            hint="move it to a module of its own and import it from there",
        )
    if "<locals>" in name:
        raise PayloadError(
            f"{module}:{name} is defined inside a function, where no worker can import it",
            hint="move it to the top level of its module",
        )
    if _lookup(sys.modules.get(module), name) is not cls:
        raise PayloadError(f"{module}:{name} is not what that name leads to", hint="import the job under its own name")
    return f"{module}:{name}"


def _lookup(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return getattr(found, "job_class", found)


def _found(path: str) -> type[Job]:
    module_name, colon, name = path.partition(":")
    if not colon or not name or not module_name:
        raise UnknownJobClass(f"{path!r} is no class path", hint="write it as module:Class")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise UnknownJobClass(
            f"{path}: no module named {missing!r}",
            hint="start the worker where it can be imported, or set --app",
        ) from error
    except (Exception, SystemExit) as error:  # a script leaves while it is imported: the worker must not
        raise UnknownJobClass(f"{path}: importing {module_name} failed: {type(error).__name__}: {error}") from error
    cls = _lookup(module, name)
    if not (isinstance(cls, type) and issubclass(cls, Job)) or cls is Job:
        raise UnknownJobClass(f"{path}: there is no job of that name", hint="was it renamed or moved after dispatch?")
    return cls
