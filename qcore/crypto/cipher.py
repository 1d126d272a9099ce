"""AES-256-GCM: what is sealed so can be neither read nor altered by those who hold the store and not the key.

    mark (1) | version (1) | key id (4) | nonce (12) | ciphertext and tag

MessagePack never begins with the mark, so that what is sealed is told from what is encoded. Associated data bind it
to one place: a purpose, the job's id and its class. Moved to another job, or to another place of the same one, it
does not open.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qcore.crypto.keyring import ENCRYPTION, KEY_ID_BYTES, Keyring
from qcore.errors import ConfigurationError, DecryptionError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = b"\xc1"
"""The one byte that MessagePack leaves unused."""
MAKE_ONE = "make one with: qctl key:generate, and set it as QCTL_KEY wherever jobs are dispatched or run"
"""What to do where there is no key."""
_HEAD = MARK + b"\x01"
_KEY_ID = len(_HEAD)
_NONCE = _KEY_ID + KEY_ID_BYTES
_BODY = _NONCE + 12
_TAG_BYTES = 16
_DAMAGED = "it was altered or damaged in the store, or moved from another job"


def require_key(keyring: Keyring | None, what: str) -> Keyring:
    """Return the keys, if there is one to encrypt with.

    Args:
        keyring: of the connection.
        what: names what is to be encrypted.

    Raises:
        ConfigurationError: there is none.
    """
    if keyring is None or not keyring.has_key:
        raise ConfigurationError(
            f"{what} is to be encrypted, and there is no key",
            hint=MAKE_ONE,
        )
    return keyring


def encrypt(data: bytes, keyring: Keyring, place: bytes) -> bytes:
    """Seal data under the key in force.

    Args:
        data: any bytes.
        keyring: has a key (see `require_key`).
        place: associated data, needed again to open it (see `place_of`).
    """
    nonce = os.urandom(12)
    cipher = _cipher(keyring, keyring.current_id)
    assert cipher is not None  # noqa: S101  as required of the caller
    return _HEAD + keyring.current_id + nonce + cipher.encrypt(nonce, data, place)


def decrypt(sealed: bytes, keyring: Keyring | None, place: bytes, what: str) -> bytes:
    """Open what `encrypt` sealed.

    Args:
        sealed: as stored.
        keyring: the key in force and those before it.
        place: as it was sealed for.
        what: names it in errors.

    Raises:
        DecryptionError: no key at hand opens it, or it is not what was sealed for this place.
    """
    if not is_encrypted(sealed) or len(sealed) < _BODY + _TAG_BYTES:
        raise DecryptionError(f"{what} cannot be decrypted: it is cut short, or was never encrypted", hint=_DAMAGED)
    key_id = sealed[_KEY_ID:_NONCE]
    cipher = None if keyring is None else _cipher(keyring, key_id)
    if cipher is None:
        raise DecryptionError(
            f"{what} is encrypted with the key {key_id.hex()}, which is not at hand",
            hint="set QCTL_KEY to the key of whoever dispatches; one that was replaced belongs in QCTL_PREVIOUS_KEYS",
        )
    try:
        return cipher.decrypt(sealed[_NONCE:_BODY], sealed[_BODY:], place)
    except Exception as error:
        from cryptography.exceptions import InvalidTag  # here: asking for it takes as long as decrypting

        if not isinstance(error, InvalidTag):
            raise
        raise DecryptionError(f"{what} cannot be decrypted: the key does not open it", hint=_DAMAGED) from None


def is_encrypted(data: bytes) -> bool:
    """Whether bytes begin as what `encrypt` made does, and nothing that the codec makes."""
    return data.startswith(_HEAD)


def is_current(sealed: bytes, keyring: Keyring) -> bool:
    """Whether the key in force encrypted it."""
    return sealed[_KEY_ID:_NONCE] == keyring.current_id


def place_of(purpose: str, job_id: str, job: str) -> bytes:
    """Name a place for what is encrypted: what it is, of which job, of which class."""
    return f"{purpose}\0{job_id}\0{job}".encode("utf-8", "surrogatepass")


def _cipher(keyring: Keyring, key_id: bytes) -> AESGCM | None:
    """The cipher of a key, made once: deriving its sub-key costs more than encrypting usual arguments."""
    found: AESGCM | None = keyring.ciphers.get(key_id)
    if found is None and (key := keyring.sub_key(ENCRYPTION, key_id)) is not None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        found = keyring.ciphers[key_id] = AESGCM(key)
    return found
