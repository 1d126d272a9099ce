"""Ed25519: those who verify cannot sign, and where they verify nothing else counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.crypto.keyring import Keyring, generate_key
from qcore.crypto.pair import Pair, generate_pair
from qcore.crypto.signature import peek, seal, unseal, unseal_any
from qcore.errors import ConfigurationError, PayloadError, SignatureError

SIGNING, VERIFYING = generate_pair()
OTHER_SIGNING, OTHER_VERIFYING = generate_pair()
KEY = generate_key()
PRODUCER = Keyring.of(KEY, pair=Pair(SIGNING))
WORKER = Keyring(None, pair=Pair(None, [OTHER_VERIFYING, VERIFYING]))
SYMMETRIC = Keyring.of(KEY)


@given(st.binary(max_size=100))
def test_what_one_half_signed_the_other_opens(body: bytes) -> None:
    sealed = seal(body, PRODUCER)
    assert sealed.startswith(b"\x01\x02")
    assert unseal(sealed, WORKER) == unseal(sealed, PRODUCER) == peek(sealed) == body


@given(st.binary(max_size=40), st.data())
def test_one_altered_byte_or_a_cut_is_refused(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(body, PRODUCER))
    place = data.draw(st.integers(0, len(sealed) - 1))
    cut = bytes(sealed[:place])
    sealed[place] ^= data.draw(st.integers(1, 255))
    for spoiled in (bytes(sealed), cut):
        with pytest.raises(PayloadError):
            unseal(spoiled, WORKER)


def test_a_worker_that_only_verifies_can_sign_nothing() -> None:
    with pytest.raises(ConfigurationError, match="none that signs") as caught:
        seal(b"body", WORKER)
    assert "QCTL_SIGNING_KEY" in caught.value.hint


@pytest.mark.parametrize("sealed", [seal(b"body", SYMMETRIC), seal(b"body", None)], ids=["symmetric", "unsigned"])
def test_nothing_else_counts_beside_it(sealed: bytes) -> None:
    """A worker that holds the key which encrypts could make codes of scheme 1 as well."""
    for ring in (WORKER, PRODUCER):
        with pytest.raises(SignatureError, match="is not signed with Ed25519"):
            unseal(sealed, ring)


def test_a_pair_that_does_not_count_is_refused() -> None:
    stranger = Keyring(None, pair=Pair(generate_pair()[0]))
    with pytest.raises(SignatureError, match="does not count here") as caught:
        unseal(seal(b"body", stranger), WORKER)
    assert "QCTL_VERIFY_KEYS" in caught.value.hint


@pytest.mark.parametrize("ring", [SYMMETRIC, None])
def test_without_a_verifying_key_it_cannot_be_opened(ring: Keyring | None) -> None:
    with pytest.raises(SignatureError):
        unseal(seal(b"body", PRODUCER), ring)


def test_what_was_signed_before_the_pair_can_be_signed_anew() -> None:
    assert unseal_any(seal(b"body", SYMMETRIC), PRODUCER) == b"body"
    assert unseal_any(seal(b"body", PRODUCER), PRODUCER) == b"body"
    with pytest.raises(SignatureError):
        unseal_any(seal(b"body", Keyring.of(generate_key())), PRODUCER)
    with pytest.raises(SignatureError):
        unseal_any(seal(b"body", None), PRODUCER)


@pytest.mark.parametrize(
    ("signing", "verifying", "words"),
    [
        (VERIFYING, [], 'a signing key begins with "ed25519:"'),
        (None, [SIGNING], 'a verifying key begins with "ed25519-public:"'),
        ("ed25519:!!", [], "is not valid Base64"),
        ("ed25519:AAAA", [], "has 32 bytes; this one has 3"),
    ],
    ids=["public", "private", "garbage", "short"],
)
def test_what_is_no_such_key_is_said_without_repeating_it(
    signing: str | None, verifying: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Pair(signing, verifying)
    secret = (signing or verifying[0]).partition(":")[2]
    assert secret not in caught.value.message


def test_a_ring_needs_a_key_of_some_kind() -> None:
    with pytest.raises(ValueError, match="without any key"):
        Keyring(None)
    assert not WORKER.has_key
    assert repr(WORKER) == "<Keyring , 0 previous>"
