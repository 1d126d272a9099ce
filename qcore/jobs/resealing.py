"""Payloads that were sealed under an earlier key, sealed anew under the one in force."""

from __future__ import annotations

from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal_any
from qcore.jobs.guarding import reencrypted
from qcore.jobs.packing import decode_payload, encode_payload


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
