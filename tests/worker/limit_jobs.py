"""Jobs that may not start as often as they like."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from worker_jobs import HEARD

from qcore import Job, RateLimit, RateLimited, ShouldBeEncrypted

HOUR_S = 3600


class Mail(Job, RateLimited):
    """The source document's: so many in all, and so many to each."""

    max_tries = 1

    def __init__(self, recipient: str = "ada") -> None:
        self.recipient = recipient

    def get_rate_limits(self) -> Sequence[RateLimit]:
        return [
            RateLimit(max_attempts=4, per_seconds=HOUR_S),
            RateLimit(max_attempts=2, per_seconds=60, key=f"user:{self.recipient}"),
        ]

    def handle(self) -> None:
        HEARD.append((self.recipient, self.attempts))


class AsyncMail(Mail):
    async def handle(self) -> None:  # type: ignore[override]  # as the worker takes either
        HEARD.append((self.recipient, self.attempts))


class SecretMail(Mail, ShouldBeEncrypted):
    """Nobody may read its key in the store."""


class Soon(Job, RateLimited):
    """One in a fifth of a second."""

    def get_rate_limits(self) -> Sequence[RateLimit]:
        return [RateLimit(1, 0.2)]

    def handle(self) -> None:
        HEARD.append((time.monotonic(), self.attempts))


class Says(Job, RateLimited):
    """Says whatever it is told to."""

    def __init__(self, said: Any) -> None:
        self._said = said

    def get_rate_limits(self) -> Any:
        return self._said

    def handle(self) -> None: ...


class Plain(Job):
    queue = "narrow"

    def handle(self) -> None:
        HEARD.append((time.monotonic(), self.attempts))


class Noting(Job, RateLimited):
    """A hundred a second; each notes when it ran."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get_rate_limits(self) -> Sequence[RateLimit]:
        return [RateLimit(100, 1)]

    def handle(self) -> None:
        line = f"{time.time():.6f}\n".encode()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.close(file)
