"""Who may come in: by a token that works once, or by the secret of a file."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import urlsplit

STAY_S = 12 * 3600.0
"""Seconds for which a browser that came in may stay."""


class Guard:
    """Knows who came in. Keeps hashes alone.

    Args:
        secret: lets anybody in who knows it, again and again; None where there is none.
        clock: seconds that only grow.
    """

    def __init__(self, secret: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = None if secret is None else _hashed(secret)
        self._clock = clock
        self._token: bytes | None = None
        self._guests: dict[bytes, float] = {}

    def new_token(self) -> str:
        """Make the token that lets one browser in; one that was made before works no more."""
        token = secrets.token_urlsafe(24)
        self._token = _hashed(token)
        return token

    def is_waiting(self) -> bool:
        """Whether there is a token that nobody used yet."""
        return self._token is not None

    def enter(self, word: str) -> str | None:
        """Let in whoever knows the token or the secret: returns what its cookie is to hold, None for a stranger."""
        given = _hashed(word)
        if self._token is not None and hmac.compare_digest(given, self._token):
            self._token = None
        elif not self._is_secret(given):
            return None
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        self._guests = {one: until for one, until in self._guests.items() if until > now}
        self._guests[_hashed(cookie)] = now + STAY_S
        return cookie

    def knows(self, cookie: str) -> bool:
        """Whether a cookie is of one that came in, and may stay."""
        return self._guests.get(_hashed(cookie), 0.0) > self._clock()

    def trusts(self, authorization: str) -> bool:
        """Whether a request brings the secret itself, as scripts do: `Bearer SECRET`."""
        kind, _, word = authorization.partition(" ")
        return kind.lower() == "bearer" and self._is_secret(_hashed(word.strip()))

    def _is_secret(self, given: bytes) -> bool:
        return self._secret is not None and hmac.compare_digest(given, self._secret)


def is_same_site(origin: str | None, host: str) -> bool:
    """Whether a request comes from a page of this very host, by what the browser says of it."""
    return origin is not None and bool(host) and urlsplit(origin).netloc.lower() == host.lower()


def _hashed(word: str) -> bytes:
    return sha256(word.encode()).digest()
