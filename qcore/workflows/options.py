"""What the maker of a flow said of it, beyond what stores count by."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def pack_options(told: dict[str, Any]) -> bytes:
    """Encode `queue`, `options` and `judge`."""
    return _encode(told)


def options_in(data: bytes) -> dict[str, Any]:
    """Read what `pack_options` made; nothing is an empty dictionary."""
    return _decode(data) if data else {}
