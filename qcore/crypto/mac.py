"""HMAC-SHA256 with a key that stays: its two pads are hashed once, and a code costs two copies of a state.

The standard library's `hmac` sets both up for every code, which takes longer than hashing a usual payload.

Source: RFC 2104; a test compares every code with the standard library's.
"""

from __future__ import annotations

import hashlib

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """Makes codes under one key.

    Args:
        key: at most 64 bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK:
            raise ValueError(f"a key has at most {_BLOCK} bytes, not {len(key)}")
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER)).copy
        self._outer = hashlib.sha256(padded.translate(_OUTER)).copy

    def after(self, head: bytes) -> Mac:
        """Return what makes codes of data that follow a head, which is hashed here once."""
        made = object.__new__(Mac)
        inner = self._inner()
        inner.update(head)
        made._inner, made._outer = inner.copy, self._outer
        return made

    def code(self, data: bytes) -> bytes:
        """Return the 32 bytes that vouch for the data."""
        inner = self._inner()
        inner.update(data)
        outer = self._outer()
        outer.update(inner.digest())
        return outer.digest()
