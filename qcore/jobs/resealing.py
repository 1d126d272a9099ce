"""Stored payloads, sealed anew: under the key in force, or for another queue."""

from __future__ import annotations

import msgspec

from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal, unseal_any
from qcore.errors import PayloadError
from qcore.jobs.guarding import reencrypted
from qcore.jobs.packing import decode_any, decode_payload, encode_payload


def reseal(sealed: bytes, keyring: Keyring, *, job_id: str, queue: str) -> bytes:
    """Sign and encrypt a payload with the key in force; one that is so already is returned as it is.

    What a pair of keys has taken the place of is signed with the pair.

    Args:
        sealed: as stored.
        keyring: the key in force and those before it.
        job_id: under which the store gave it.
        queue: from which the store gave it.

    Raises:
        SignatureError: no key of the ring has signed it, or it was altered or moved: nobody may vouch for it now.
        DecryptionError: no key of the ring opens what is encrypted in it.
        PayloadError: it cannot be read.
    """
    payload = decode_payload(unseal_any(sealed, keyring), job_id=job_id, queue=queue)
    if payload.guard is not None and payload.guard.hides:
        payload = reencrypted(payload, keyring)
    return seal(encode_payload(payload), keyring)


def reseal_kept(sealed: bytes, keyring: Keyring) -> bytes:
    """Do as `reseal` with a payload that a flow keeps for later, wherever it belongs.

    Raises:
        PayloadError: as `reseal`.
    """
    payload = decode_any(unseal_any(sealed, keyring))
    return reseal(sealed, keyring, job_id=payload.id, queue=payload.queue)


def readdressed(
    sealed: bytes, keyring: Keyring | None, *, job_id: str, queue: str, to: str, encrypts: bool = False
) -> bytes:
    """Sign a payload for another queue.

    Args:
        sealed: as stored.
        keyring: the key in force and those before it; None where payloads are not signed.
        job_id: under which the store gave it.
        queue: from which the store gave it.
        to: the other queue.
        encrypts: that queue encrypts every job.

    Raises:
        ConfigurationError: a pair of keys is configured, and not the half of it that signs.
        SignatureError: no key at hand has signed it, or it was altered or moved: nobody may vouch for it now.
        PayloadError: it cannot be read, or would lie open where every job is encrypted.
    """
    body = unseal(sealed, None) if keyring is None else unseal_any(sealed, keyring)
    payload = decode_payload(body, job_id=job_id, queue=queue)
    if encrypts and not (payload.guard is not None and payload.guard.is_encrypted):
        raise PayloadError(f"queue {to} encrypts its jobs, and job {job_id} is not encrypted")
    return seal(encode_payload(msgspec.structs.replace(payload, queue=to)), keyring)
