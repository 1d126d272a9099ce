"""Keys: their text form, what is derived from them, and the file that holds one where nobody set any."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qcore.crypto.mac import Mac
from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.crypto.pair import Pair

KEY_BYTES = 32
KEY_ID_BYTES = 4
SIGNED = b"\x01\x01"
"""Version and scheme of what is signed with a key of a ring."""
SIGNING = b"qctl signing v1"
"""Label of the sub-key that signs."""
ENCRYPTION = b"qctl encryption v1"
"""Label of the sub-key that encrypts."""
LOCKS = b"qctl locks v1"
"""Label of the sub-key under which the locks of jobs are named whose arguments are hidden."""

_PREFIX = "base64:"
_HINT = "make one with: qctl key:generate"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PATIENCE_S = 2.0


class Keyring:
    """The key in force and those before it, which still open what they sealed.

    Nothing is ever made with a key itself: each purpose has a sub-key of its own, so that what leaks of one
    tells nothing of the other.

    Args:
        current: 32 bytes; None where a pair signs, and nothing is encrypted.
        previous: 32 bytes each, newest first.
        pair: signs and verifies in place of the keys above, which then do nothing but encrypt.
    """

    __slots__ = ("_keys", "_macs", "body_mac", "ciphers", "current_id", "head", "mac", "pair")

    def __init__(self, current: bytes | None, previous: Sequence[bytes] = (), pair: Pair | None = None) -> None:
        if current is None and pair is None:
            raise ValueError("a ring without any key would verify nothing")
        self.pair = pair
        self.ciphers: dict[bytes, Any] = {}
        """What encrypts under each key, by its id (see `cipher`)."""
        self._keys: dict[bytes, bytes] = {}
        self._macs: dict[bytes, Mac] = {}
        for key in () if current is None else (current, *previous):
            signing = hkdf(key, SIGNING)
            self._keys.setdefault(_id(signing), key)
            self._macs.setdefault(_id(signing), Mac(signing))
        self.current_id: bytes
        """Names the key in force: the first 4 bytes of the SHA-256 of its signing sub-key."""
        self.mac: Mac
        """What signs now."""
        nobody = (b"", Mac(secrets.token_bytes(KEY_BYTES)))
        self.current_id, self.mac = next(iter(self._macs.items()), nobody)
        self.head = SIGNED + self.current_id
        """What everything begins with that is signed now (see `signature`)."""
        self.body_mac = self.mac.after(self.head)
        """Makes the codes of bodies behind that head."""

    @classmethod
    def of(cls, key: str | None, previous: Sequence[str] = (), pair: Pair | None = None) -> Keyring:
        """Build a ring of keys in text form.

        Raises:
            ConfigurationError: one of them is no key.
        """
        return cls(None if key is None else parse_key(key), [parse_key(one) for one in previous], pair)

    @property
    def has_key(self) -> bool:
        """Whether there is one to encrypt with."""
        return bool(self._keys)

    def mac_of(self, key_id: bytes) -> Mac | None:
        """Find what signs with the key that an id names, the current one or an earlier."""
        return self._macs.get(key_id)

    def sub_key(self, label: bytes, key_id: bytes | None = None) -> bytes | None:
        """Derive a sub-key for a purpose.

        Args:
            label: names the purpose, such as `ENCRYPTION`.
            key_id: of which key; None takes the one in force.

        Returns:
            32 bytes; None where no key has that id.
        """
        key = self._keys.get(key_id or self.current_id)
        return None if key is None else hkdf(key, label)

    def __repr__(self) -> str:
        return f"<Keyring {self.current_id.hex()}, {max(0, len(self._keys) - 1)} previous>"


class KeyFile(NamedTuple):
    """What `key_file` found or made."""

    keyring: Keyring
    is_new: bool
    warning: str
    """What is wrong with the file's permissions; empty where nothing is."""


def generate_key() -> str:
    """Make a new random key in its text form."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def parse_key(text: str) -> bytes:
    """Read a key from its text form, `base64:` and 32 bytes.

    Raises:
        ConfigurationError: it is no key; the text itself is not repeated.
    """
    text = text.strip()
    if not text.startswith(_PREFIX):
        raise ConfigurationError(f'a key begins with "{_PREFIX}"; this one does not', hint=_HINT)
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"a key is not valid Base64: {error}", hint=_HINT) from None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"a key has {KEY_BYTES} bytes; this one has {len(key)}", hint=_HINT)
    return key


def hkdf(key: bytes, info: bytes, length: int = 32, salt: bytes = b"") -> bytes:
    """Derive bytes for one purpose from a key.

    Args:
        key: the secret.
        info: names the purpose.
        length: bytes wanted, up to 8,160.
        salt: not secret; none is needed where the key is random.

    Source: RFC 5869 with SHA-256.
    """
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def key_file(path: Path | str, pair: Pair | None = None, previous: Sequence[str] = ()) -> KeyFile:
    """Read the keys of a file, or make it with a new one.

    However many processes do so at once, all get the same key, and none sees half a file. The file has a key a
    line, the one in force first.

    Args:
        path: beside the database that the keys belong to.
        pair: signs in their place.
        previous: keys in text form that were in force before those of the file.

    Returns:
        The keys, whether the file was made now, and a warning if others may read it.

    Raises:
        ConfigurationError: it cannot be read or made, or holds no key; or a previous key is none.
    """
    path = Path(path)
    before = [parse_key(one) for one in previous]
    try:
        is_new = not path.exists() and _create(path, generate_key() + "\n")
        text = _read(path)
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f'key file "{path}": {error.strerror or error}', hint="make it readable, or set QCTL_KEY"
        ) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigurationError(f'key file "{path}" is empty', hint="delete it; a new one is made at next use")
    try:
        current, *others = map(parse_key, lines)
    except ConfigurationError as error:
        raise ConfigurationError(f'key file "{path}": {error.message}', hint="restore it, or set QCTL_KEY") from None
    return KeyFile(Keyring(current, [*others, *before], pair), is_new, _warning(path, mode))


def _create(path: Path, text: str) -> bool:
    """Make the file whole or not at all; False if another process was first."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write(draft, text)
        os.link(draft, path)  # appears under its name with its content, and only if nobody was first
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _create_in_place(path, text)
    finally:
        draft.unlink(missing_ok=True)
    with suppress(OSError):  # some systems cannot sync a directory; the file itself is safe
        _sync_directory(path.parent)
    return True


def _create_in_place(path: Path, text: str) -> bool:
    try:
        _write(path, text)
    except FileExistsError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)  # a key lost with the power would leave every signed job unreadable


def _read(path: Path) -> str:
    """Read the file; where it had to be made in place, wait for the other process to fill it."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        text = path.read_text(encoding="ascii", errors="replace")
        if text or time.monotonic() > deadline:
            return text
        time.sleep(0.01)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _warning(path: Path, mode: int) -> str:
    if not mode & _OTHERS:
        return ""
    return f'key file "{path}" is open to others (mode {stat.S_IMODE(mode):04o}); close it with: chmod 600 "{path}"'


def _id(signing: bytes) -> bytes:
    return hashlib.sha256(signing).digest()[:KEY_ID_BYTES]
