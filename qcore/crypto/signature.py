"""Seals: a payload, who vouches for it, and in which way.

    version (1) | scheme (1) | body                                   scheme 0: nobody vouches
    version (1) | scheme (1) | key id (4) | HMAC-SHA256 (32) | body   scheme 1
    version (1) | scheme (1) | key id (4) | Ed25519 (64) | body       scheme 2

The code covers everything but itself. Where a pair of keys is configured, scheme 2 alone is accepted: whoever can
check a code of scheme 1 could have made it.
"""

from __future__ import annotations

from hmac import compare_digest

from qcore.crypto.keyring import KEY_ID_BYTES, SIGNED, Keyring
from qcore.crypto.mac import Mac
from qcore.crypto.pair import PAIR_BODY, SIGNED_BY_PAIR, Pair
from qcore.errors import PayloadError, SignatureError

_UNSIGNED = b"\x01\x00"
_VERSION = 1
_START = len(SIGNED)
_MAC = _START + KEY_ID_BYTES
_BODY = _MAC + 32


def seal(body: bytes, keyring: Keyring | None) -> bytes:
    """Close a payload; with keys it is signed by the one in force.

    Raises:
        ConfigurationError: a pair is configured, and not the half of it that signs.
    """
    if keyring is None:
        return _UNSIGNED + body
    if keyring.pair is not None:
        return keyring.pair.seal(body)
    return keyring.head + keyring.body_mac.code(body) + body


def unseal(sealed: bytes, keyring: Keyring | None) -> bytes:
    """Open a sealed payload, if it is what somebody with a key of ours made.

    With keys nothing unsigned is opened; without keys nothing signed is, since nobody could tell who made it.

    Raises:
        SignatureError: unsigned, altered, cut short, or signed with a key that is not at hand.
        PayloadError: empty, or made by a newer version.
    """
    if keyring is not None and keyring.pair is None and sealed.startswith(keyring.head):
        body = sealed[_BODY:]  # signed by the key in force, as nearly all are
        if compare_digest(keyring.body_mac.code(body), sealed[_MAC:_BODY]):
            return body
    form = _form(sealed)
    if keyring is None and form == _UNSIGNED:
        return sealed[_START:]
    if keyring is None:
        raise SignatureError(
            "the payload is signed, and no key is configured here to check it with",
            hint="set QCTL_KEY to the key of whoever dispatches, or give the worker the database's key file",
        )
    if keyring.pair is not None:
        return _signed(sealed, form, keyring.pair)
    return _verified(sealed, form, keyring)


def unseal_any(sealed: bytes, keyring: Keyring) -> bytes:
    """Open what any key of the ring vouches for, also those that a pair has since taken the place of.

    To be signed anew and never to be run.

    Raises:
        SignatureError: nobody with a key of ours made it.
    """
    form = _form(sealed)
    return _verified(sealed, form, keyring) if form == SIGNED else unseal(sealed, keyring)


def is_signed(data: bytes) -> bool:
    """Whether bytes begin as a signed payload does; no encoded value begins so."""
    return data[:_START] in {SIGNED, SIGNED_BY_PAIR}


def peek(sealed: bytes) -> bytes:
    """Open a sealed payload without asking who made it: to be shown, never to be run.

    Raises:
        PayloadError: empty, cut short, or made by a newer version.
    """
    return sealed[_STARTS[_form(sealed)] :]


_STARTS = {_UNSIGNED: _START, SIGNED: _BODY, SIGNED_BY_PAIR: PAIR_BODY}
"""Where the body begins."""


def _form(sealed: bytes) -> bytes:
    """The version and scheme of a sealed payload, known ones alone."""
    form = sealed[:_START]
    if form not in _STARTS:
        raise _unknown(form)
    if len(sealed) < _STARTS[form]:
        raise SignatureError("the payload is cut short in its signature", hint="it was damaged in the store")
    return form


def _signed(sealed: bytes, form: bytes, pair: Pair) -> bytes:
    if form != SIGNED_BY_PAIR:
        raise SignatureError(
            "the payload is not signed with Ed25519, and nothing else counts where verifying keys are configured",
            hint="it was dispatched without QCTL_SIGNING_KEY, or planted: dispatch it again with the key set",
        )
    return pair.unseal(sealed)


def _verified(sealed: bytes, form: bytes, keyring: Keyring) -> bytes:
    if form == _UNSIGNED:
        raise SignatureError(
            "the payload is not signed, and keys are configured here",
            hint="it was dispatched without a key, or planted: dispatch it again with QCTL_KEY set",
        )
    if form == SIGNED_BY_PAIR:
        raise SignatureError(
            "the payload is signed with Ed25519, and no key is configured here to check it with",
            hint="put the public key of whoever dispatches into QCTL_VERIFY_KEYS",
        )
    mac = keyring.mac_of(sealed[_START:_MAC])
    if mac is None:
        raise SignatureError(
            f"the payload is signed with the key {sealed[_START:_MAC].hex()}, which is not at hand",
            hint="if that key was replaced, put it into QCTL_PREVIOUS_KEYS",
        )
    return _vouched(sealed, mac)


def _vouched(sealed: bytes, mac: Mac) -> bytes:
    body = sealed[_BODY:]
    if not compare_digest(mac.code(sealed[:_MAC] + body), sealed[_MAC:_BODY]):
        raise SignatureError("the payload does not fit its signature", hint="it was altered or damaged in the store")
    return body


def _unknown(form: bytes) -> PayloadError:
    if len(form) < _START:
        return PayloadError("the payload is empty or cut short", hint="it was damaged in the store")
    version, scheme = form
    what = f"version {version}" if version != _VERSION else f"signature scheme {scheme}"
    return PayloadError(f"the payload has {what}, unknown here", hint="was it made by a newer version of qctl?")
