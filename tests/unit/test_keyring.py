from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcore.crypto import keyring as module
from qcore.crypto.keyring import ENCRYPTION, SIGNING, Keyring, generate_key, hkdf, key_file, parse_key
from qcore.crypto.mac import Mac
from qcore.errors import ConfigurationError

ONE, TWO, THREE = bytes(range(32)), bytes(32), b"\xff" * 32


# RFC 5869, appendix A: cases 1, 2 and 3.
@pytest.mark.parametrize(
    ("key", "salt", "info", "length", "expected"),
    [
        (
            "0b" * 22,
            bytes(range(13)).hex(),
            bytes(range(0xF0, 0xFA)).hex(),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            82,
            (
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["case 1", "case 2", "case 3"],
)
def test_derivation_gives_what_the_standard_gives(key: str, salt: str, info: str, length: int, expected: str) -> None:
    derived = hkdf(bytes.fromhex(key), bytes.fromhex(info), length, bytes.fromhex(salt))
    assert derived.hex() == expected


def test_derivation_agrees_with_another_implementation() -> None:
    theirs = HKDF(algorithm=SHA256(), length=32, salt=None, info=SIGNING).derive(ONE)
    assert hkdf(ONE, SIGNING) == theirs


def test_a_made_key_is_read_back_and_no_two_are_alike() -> None:
    made = generate_key()
    assert made.startswith("base64:")
    assert len(parse_key(f" {made}\n")) == 32
    assert generate_key() != made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'begins with "base64:"'),
        ("A" * 44, 'begins with "base64:"'),
        ("base64:", "has 32 bytes; this one has 0"),
        ("base64:" + base64.b64encode(b"short").decode(), "has 32 bytes; this one has 5"),
        ("base64:c2VjcmV0!", "not valid Base64"),
        ("base64:c2VjcmV0cw=", "not valid Base64"),
        ("base64:c2VjrĄ", "not valid Base64"),
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_key(text)
    assert "qctl key:generate" in caught.value.hint
    assert "c2Vj" not in f"{caught.value} {caught.value.hint}"


def test_the_current_key_signs_and_the_previous_ones_are_known() -> None:
    ring = Keyring(ONE, [TWO, THREE])
    assert ring.current_id == hashlib.sha256(hkdf(ONE, SIGNING)).digest()[:4]
    assert ring.mac.code(b"x") == ring.mac_of(ring.current_id).code(b"x") == Mac(hkdf(ONE, SIGNING)).code(b"x")  # type: ignore[union-attr]
    assert ring.mac_of(Keyring(THREE).current_id).code(b"x") == Mac(hkdf(THREE, SIGNING)).code(b"x")  # type: ignore[union-attr]
    assert ring.mac_of(b"none") is None


def test_a_key_that_is_current_and_previous_is_current() -> None:
    assert Keyring(ONE, [TWO, ONE]).current_id == Keyring(ONE).current_id


def test_each_purpose_has_a_sub_key_of_its_own() -> None:
    ring = Keyring(ONE, [TWO])
    assert ring.sub_key(ENCRYPTION) == hkdf(ONE, ENCRYPTION) != hkdf(ONE, SIGNING)
    assert ring.sub_key(ENCRYPTION, Keyring(TWO).current_id) == hkdf(TWO, ENCRYPTION)
    assert ring.sub_key(ENCRYPTION, b"none") is None


def test_a_ring_is_shown_without_its_keys() -> None:
    shown = repr(Keyring(ONE, [TWO]))
    assert shown == f"<Keyring {Keyring(ONE).current_id.hex()}, 1 previous>"


def test_rings_are_built_from_text() -> None:
    made, older = generate_key(), generate_key()
    assert Keyring.of(made, [older]).current_id == Keyring(parse_key(made)).current_id
    with pytest.raises(ConfigurationError):
        Keyring.of(made, ["nonsense"])


def test_signing_needs_no_heavy_library() -> None:
    code = "import sys, qcore.crypto.signature; print('cryptography' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


# --- the key file -------------------------------------------------------------------------------------------------


def test_a_key_file_is_made_once_and_read_after(tmp_path: Path) -> None:
    path = tmp_path / "queue.db.key"
    first, again = key_file(path), key_file(path)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.keyring.current_id == again.keyring.current_id
    assert (first.warning, again.warning) == ("", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [path]


def _open_at_once(path: Path, start: Any, answers: Any) -> None:
    start.wait()
    found = key_file(path)
    answers.put((found.keyring.current_id, found.is_new))


def test_eight_processes_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "queue.db.key"
    context = multiprocessing.get_context("fork")
    start, answers = context.Barrier(8), context.SimpleQueue()
    processes = [context.Process(target=_open_at_once, args=(path, start, answers)) for _ in range(8)]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    assert len({key_id for key_id, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "queue.db.key"
    assert key_file(path).is_new
    assert not key_file(path).is_new
    assert not module._create_in_place(path, "another")
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_open_to_others_is_warned_of(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "queue.db.key"
    key_file(path)
    path.chmod(mode)
    warning = key_file(path).warning
    assert f"(mode {mode:04o})" in warning
    assert f'chmod 600 "{path}"' in warning


def test_further_lines_are_previous_keys(tmp_path: Path) -> None:
    path = tmp_path / "queue.db.key"
    keys = [generate_key(), generate_key()]
    path.write_text("\n\n".join(keys))
    ring = key_file(path).keyring
    assert ring.current_id == Keyring.of(keys[0]).current_id
    assert ring.mac_of(Keyring.of(keys[1]).current_id)


def test_what_was_in_force_before_the_file_is_known_too(tmp_path: Path) -> None:
    path = tmp_path / "queue.db.key"
    in_file, before = [generate_key(), generate_key()], generate_key()
    path.write_text("\n".join(in_file))
    ring = key_file(path, previous=[before, in_file[0]]).keyring
    assert ring.current_id == Keyring.of(in_file[0]).current_id
    assert all(ring.mac_of(Keyring.of(key).current_id) for key in [*in_file, before])
    with pytest.raises(ConfigurationError, match=r"^a key begins with"):
        key_file(path, previous=["nonsense"])


def test_a_file_without_a_key_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    path = tmp_path / "queue.db.key"
    path.touch()
    with pytest.raises(ConfigurationError, match=r'key file ".*queue.db.key" is empty'):
        key_file(path)
    path.write_bytes(b"\xff\xfe nonsense")
    with pytest.raises(ConfigurationError, match=r'key file ".*queue.db.key": a key begins with'):
        key_file(path)


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory") as caught:
        key_file(tmp_path / "none" / "queue.db.key")
    assert "QCTL_KEY" in caught.value.hint
