from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.crypto.keyring import Keyring
from qcore.crypto.mac import Mac
from qcore.crypto.signature import peek, seal, unseal
from qcore.errors import PayloadError, SignatureError

RING = Keyring(bytes(range(32)))
OTHER = Keyring(bytes(32))
ROTATED = Keyring(bytes(32), [bytes(range(32))])


@given(st.binary(max_size=100))
def test_what_was_sealed_is_opened(body: bytes) -> None:
    assert unseal(seal(body, RING), RING) == body
    assert unseal(seal(body, RING), ROTATED) == body
    assert unseal(seal(body, None), None) == body
    assert peek(seal(body, RING)) == peek(seal(body, None)) == body


def test_the_wire_form_is_fixed() -> None:
    assert seal(b"body", None) == b"\x01\x00body"
    head = b"\x01\x01" + RING.current_id
    assert seal(b"body", RING) == head + RING.mac.code(head + b"body") + b"body"


@given(st.binary(max_size=40), st.data())
def test_one_altered_byte_is_refused(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(body, RING))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PayloadError):
        unseal(bytes(sealed), RING)


@given(st.binary(max_size=40), st.data())
def test_every_cut_is_refused(body: bytes, data: st.DataObject) -> None:
    sealed = seal(body, RING)
    with pytest.raises(PayloadError):
        unseal(sealed[: data.draw(st.integers(0, len(sealed) - 1))], RING)


@given(st.binary(max_size=80))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PayloadError):
        unseal(data, RING)


def test_with_keys_an_unsigned_payload_is_refused() -> None:
    with pytest.raises(SignatureError, match="is not signed, and keys are configured here"):
        unseal(seal(b"body", None), RING)


def test_without_keys_a_signed_payload_is_refused_with_what_to_do() -> None:
    with pytest.raises(SignatureError, match="no key is configured here") as caught:
        unseal(seal(b"body", RING), None)
    assert "QCTL_KEY" in caught.value.hint


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(SignatureError, match=f"signed with the key {RING.current_id.hex()}") as caught:
        unseal(seal(b"body", RING), OTHER)
    assert "QCTL_PREVIOUS_KEYS" in caught.value.hint


def test_a_foreign_key_under_a_known_id_is_refused() -> None:
    forged = bytearray(seal(b"body", OTHER))
    forged[2:6] = RING.current_id
    with pytest.raises(SignatureError, match="does not fit its signature"):
        unseal(bytes(forged), RING)


def test_a_cut_in_the_signature_is_refused_by_every_reader() -> None:
    for open_it in (peek, lambda data: unseal(data, RING), lambda data: unseal(data, None)):
        with pytest.raises(SignatureError, match="cut short"):
            open_it(seal(b"", RING)[:-1])


@pytest.mark.parametrize(
    ("sealed", "words"),
    [
        (b"", "is empty or cut short"),
        (b"\x01", "is empty or cut short"),
        (b"\x02\x01rest", "has version 2, unknown here"),
        (b"\x01\x03rest", "has signature scheme 3, unknown here"),
        (b"{}", "has version 123, unknown here"),
    ],
)
@pytest.mark.parametrize("ring", [RING, None])
def test_what_is_no_payload_of_this_version_is_refused(sealed: bytes, words: str, ring: Keyring | None) -> None:
    with pytest.raises(PayloadError, match=words) as caught:
        unseal(sealed, ring)
    assert not isinstance(caught.value, SignatureError)


@given(key=st.binary(max_size=64), data=st.binary(max_size=300))
def test_codes_are_those_of_the_standard_library(key: bytes, data: bytes) -> None:
    assert Mac(key).code(data) == hmac.digest(key, data, "sha256")


def test_a_long_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="at most 64 bytes"):
        Mac(bytes(65))
