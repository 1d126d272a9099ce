"""AES-256-GCM: opened by the right key, at the right place, whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.crypto.cipher import MARK, decrypt, encrypt, is_encrypted, place_of, require_key
from qcore.crypto.keyring import Keyring
from qcore.crypto.pair import Pair, generate_pair
from qcore.errors import ConfigurationError, DecryptionError

RING = Keyring(bytes(range(32)))
OTHER = Keyring(bytes(32))
ROTATED = Keyring(bytes(32), [bytes(range(32))])
PLACE = place_of("arguments", "id-1", "app:Job")


@given(st.binary(max_size=200))
def test_what_was_encrypted_is_decrypted(data: bytes) -> None:
    sealed = encrypt(data, RING, PLACE)
    assert is_encrypted(sealed)
    assert decrypt(sealed, RING, PLACE, "it") == decrypt(sealed, ROTATED, PLACE, "it") == data


@given(st.binary(max_size=40), st.data())
def test_one_altered_byte_or_a_cut_opens_nothing(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(encrypt(body, RING, PLACE))
    place = data.draw(st.integers(0, len(sealed) - 1))
    cut = bytes(sealed[:place])
    sealed[place] ^= data.draw(st.integers(1, 255))
    for spoiled in (bytes(sealed), cut):
        with pytest.raises(DecryptionError):
            decrypt(spoiled, RING, PLACE, "it")


@pytest.mark.parametrize("place", [("result", "id-1", "app:Job"), ("arguments", "id-2", "app:Job"),
                                   ("arguments", "id-1", "app:Other")])  # fmt: skip
def test_it_opens_nowhere_else(place: tuple[str, str, str]) -> None:
    with pytest.raises(DecryptionError, match="it cannot be decrypted: the key does not open it"):
        decrypt(encrypt(b"secret", RING, PLACE), RING, place_of(*place), "it")


def test_a_place_is_not_another_by_shifting_its_parts() -> None:
    assert place_of("a", "b", "c:d") != place_of("a", "bc", ":d")


def test_no_two_are_alike() -> None:
    assert len({encrypt(b"same", RING, PLACE) for _ in range(100)}) == 100
    assert b"same" not in encrypt(b"same", RING, PLACE)


@pytest.mark.parametrize("ring", [OTHER, None])
def test_a_key_that_is_not_at_hand_is_named(ring: Keyring | None) -> None:
    with pytest.raises(DecryptionError, match=RING.current_id.hex()) as caught:
        decrypt(encrypt(b"secret", RING, PLACE), ring, PLACE, "it")
    assert "QCTL_PREVIOUS_KEYS" in caught.value.hint


@pytest.mark.parametrize("ring", [None, Keyring(None, pair=Pair(generate_pair()[0]))])
def test_without_a_key_nothing_can_be_encrypted(ring: Keyring | None) -> None:
    with pytest.raises(ConfigurationError, match="Pay is to be encrypted, and there is no key") as caught:
        require_key(ring, "Pay")
    assert "qctl key:generate" in caught.value.hint


@given(st.recursive(st.none() | st.text() | st.binary() | st.integers(-9, 9), st.lists, max_leaves=5))
def test_what_is_encoded_is_never_taken_for_encrypted(value: object) -> None:
    import msgspec

    assert not msgspec.msgpack.encode(value).startswith(MARK)
