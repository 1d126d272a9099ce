"""Keys of locks and limits: short enough for every store to index, and silent about what is hidden."""

from __future__ import annotations

import hmac
from hashlib import sha256

LONGEST_KEY = 190
"""Characters of a key: what every store can index."""
_READABLE = 100
"""Characters of a key that stay readable where the rest has to be hashed."""


def key_of(*parts: str) -> str:
    """Join the parts of a key; one that is too long, or that not every store can hold, is hashed."""
    key = ":".join(parts)
    if len(key) <= LONGEST_KEY and key.isprintable():
        return key
    readable = "".join(letter for letter in key[:_READABLE] if letter.isprintable())
    return f"{readable}#{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def hidden(text: str, secret: bytes | None) -> str:
    """What stands for a part of a key that tells of arguments: nobody without the secret can guess it."""
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256").hex() if secret and text else text
