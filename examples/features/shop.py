"""The jobs of a shop: one for each thing that a job may ask for. The scripts beside dispatch and run them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from qcore import Job, RateLimit, RateLimited, SecureJob, ShouldBeEncrypted, ShouldBeUnique, define_queue
from qcore.middleware import (
    AuthorizationMiddleware,
    LoggingMiddleware,
    MiddlewareStack,
    RetryMiddleware,
    ThrottleMiddleware,
    TimingMiddleware,
)

define_queue("high-priority", priority_weight=10, rate_limit_enabled=True, rate_limit_max=100, rate_limit_window=60)
define_queue("emails", max_attempts=5, retry_after=300)

SENT: list[str] = []
"""What the jobs of this process did, for the scripts to show."""


class SendEmailJob(Job):
    """A plain job, with a queue and tries of its own."""

    def __init__(self, to_email: str, subject: str, body: str) -> None:
        super().__init__()
        self.to_email = to_email
        self.subject = subject
        self.body = body
        self.queue = "emails"
        self.delay = 0
        self.max_tries = 1

    def handle(self) -> None:
        if "@" not in self.to_email:
            raise ValueError(f"{self.to_email!r} is no address")
        SENT.append(f"{self.subject} to {self.to_email}")

    def failed(self, exception: Exception) -> None:
        logging.getLogger("shop").error("failed to send to %s: %s", self.to_email, exception)
        SENT.append(f"told of: {exception}")


class ProcessUserDataJob(Job, ShouldBeUnique):
    """One of a user at a time, for an hour at the most."""

    def __init__(self, user_id: int) -> None:
        super().__init__()
        self.user_id = user_id

    def unique_id(self) -> str:
        return f"process_user_{self.user_id}"

    def unique_for(self) -> timedelta:
        return timedelta(hours=1)

    def handle(self) -> None:
        SENT.append(f"processed user {self.user_id}")


class ProcessSensitiveDataJob(Job, ShouldBeEncrypted):
    """Its arguments can be read with the app key alone."""

    def __init__(self, sensitive_data: str) -> None:
        super().__init__()
        self.sensitive_data = sensitive_data

    def handle(self) -> None:
        SENT.append(f"processed {len(self.sensitive_data)} letters")


class EmailJob(Job, RateLimited):
    """A hundred an hour, and ten a minute to each."""

    def __init__(self, recipient: str) -> None:
        super().__init__()
        self.recipient = recipient

    def get_rate_limits(self) -> list[RateLimit]:
        return [
            RateLimit(max_attempts=100, per_seconds=3600),
            RateLimit(max_attempts=10, per_seconds=60, key=f"user:{self.recipient}"),
        ]

    def handle(self) -> None:
        SENT.append(f"mail to {self.recipient}")


class ProcessDataJob(Job):
    """Told of in the log, with how long it took."""

    def __init__(self) -> None:
        super().__init__()
        self.middleware = MiddlewareStack()
        self.middleware.add(LoggingMiddleware())
        self.middleware.add(TimingMiddleware())

    def handle(self) -> None:
        SENT.append("processed data")


class CloseBooksJob(Job):
    """Only for those who may, twice a minute at the most, and tried again while the bank does not answer."""

    calls = 0

    def __init__(self, month: str) -> None:
        super().__init__()
        self.month = month
        self.middleware = MiddlewareStack()
        self.middleware.add(AuthorizationMiddleware("close_books", granted=["close_books"]))
        self.middleware.add(RetryMiddleware(max_tries=2, backoff=0, retry_on=ConnectionError))
        self.middleware.add(ThrottleMiddleware(max_jobs=2, per_seconds=60))

    def handle(self) -> None:
        CloseBooksJob.calls += 1
        if CloseBooksJob.calls == 1:
            raise ConnectionError("the bank does not answer")
        SENT.append(f"closed {self.month}")


class ProcessPaymentJob(SecureJob):
    """Hides its payment everywhere, and runs only where payments may be processed."""

    def __init__(self, payment_data: dict[str, Any]) -> None:
        super().__init__()
        self.payment_data = payment_data
        self.set_sensitive_fields(["payment_data"])
        self.set_required_permissions(["process_payments"])

    def handle(self) -> None:
        SENT.append(f"paid {self.payment_data['amount']}")
