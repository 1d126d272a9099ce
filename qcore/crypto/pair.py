"""Ed25519: those who sign hold one key, those who verify another, from which the first cannot be made.

So a worker that holds verifying keys alone runs jobs, and can forge none. Both keys have 32 bytes, and a prefix each
that tells which of the two it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcore.crypto.keyring import KEY_ID_BYTES
from qcore.errors import ConfigurationError, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNED_BY_PAIR = b"\x01\x02"
"""Version and scheme of what is signed with a private key."""
SIGNING_PREFIX = "ed25519:"
VERIFYING_PREFIX = "ed25519-public:"
_HINT = "make a pair with: qctl key:generate --ed25519"
_CODE = len(SIGNED_BY_PAIR) + KEY_ID_BYTES
PAIR_BODY = _CODE + 64
"""Where the body begins of what is signed so."""


class Pair:
    """Who signs here, and whose signatures count.

    Args:
        signing: the private key in text form; None where nothing is signed.
        verifying: public keys in text form; the one that belongs to `signing` counts anyway.

    Raises:
        ConfigurationError: one of them is no such key.
    """

    def __init__(self, signing: str | None, verifying: Sequence[str] = ()) -> None:
        from cryptography.hazmat.primitives.asymmetric import ed25519

        self._private: Ed25519PrivateKey | None = None
        self._publics: dict[bytes, Ed25519PublicKey] = {}
        self._head = b""
        for text in verifying:
            public = ed25519.Ed25519PublicKey.from_public_bytes(_parsed(text, VERIFYING_PREFIX, "verifying"))
            self._publics[_id(public)] = public
        if signing is not None:
            self._private = ed25519.Ed25519PrivateKey.from_private_bytes(_parsed(signing, SIGNING_PREFIX, "signing"))
            own = self._private.public_key()
            self._publics[_id(own)] = own
            self._head = SIGNED_BY_PAIR + _id(own)

    @property
    def signs(self) -> bool:
        """Whether the half of a pair is here that signs."""
        return self._private is not None

    def seal(self, body: bytes) -> bytes:
        """Sign a payload.

        Raises:
            ConfigurationError: there is no signing key here.
        """
        if self._private is None:
            raise ConfigurationError(
                "there are keys that verify jobs here, and none that signs them: nobody would accept this one",
                hint="set QCTL_SIGNING_KEY where jobs are dispatched, also from inside other jobs",
            )
        return self._head + self._private.sign(self._head + body) + body

    def unseal(self, sealed: bytes) -> bytes:
        """Open a payload that begins with `SIGNED_BY_PAIR` and reaches its body, if its signature counts.

        Raises:
            SignatureError: altered, or signed with a key that does not count here.
        """
        from cryptography.exceptions import InvalidSignature

        head, body = sealed[:_CODE], sealed[PAIR_BODY:]
        key_id = head[len(SIGNED_BY_PAIR) :]
        public = self._publics.get(key_id)
        if public is None:
            raise SignatureError(
                f"the payload is signed with the key {key_id.hex()}, which does not count here",
                hint="put the public key of whoever dispatches into QCTL_VERIFY_KEYS",
            )
        try:
            public.verify(sealed[_CODE:PAIR_BODY], head + body)
        except InvalidSignature:
            raise SignatureError(
                "the payload does not fit its signature", hint="it was altered or damaged in the store"
            ) from None
        return body


def generate_pair() -> tuple[str, str]:
    """Make a new pair: the key that signs and the key that verifies, in text form."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return _text(SIGNING_PREFIX, private.private_bytes_raw()), _text(
        VERIFYING_PREFIX, private.public_key().public_bytes_raw()
    )


def _text(prefix: str, key: bytes) -> str:
    return prefix + base64.b64encode(key).decode("ascii")


def _parsed(text: str, prefix: str, kind: str) -> bytes:
    """Read a key; neither it nor a part of it is repeated in an error."""
    text = text.strip()
    if not text.startswith(prefix):
        raise ConfigurationError(f'a {kind} key begins with "{prefix}"; this one does not', hint=_HINT)
    try:
        key = base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"a {kind} key is not valid Base64: {error}", hint=_HINT) from None
    if len(key) != 32:  # noqa: PLR2004  of both kinds
        raise ConfigurationError(f"a {kind} key has 32 bytes; this one has {len(key)}", hint=_HINT)
    return key


def _id(public: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(public.public_bytes_raw()).digest()[:KEY_ID_BYTES]
