"""A job class as the requirements show it; only where `Job` is imported from differs."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import NamedTuple

from qcore import Job

OUTBOX = Path("outbox.jsonl")


class EmailService:
    """Stands for the user's own code."""

    @staticmethod
    def send(to_email: str, subject: str, body: str) -> None:
        if to_email.startswith("full@"):
            raise ConnectionError("the mailbox is full")
        with OUTBOX.open("a") as outbox:
            outbox.write(json.dumps([to_email, subject, body]) + "\n")


class User(NamedTuple):
    wants_emails: bool
    unsubscribed: bool


class SendEmailJob(Job):
    def __init__(self, to_email: str, subject: str, body: str) -> None:
        super().__init__()
        self.to_email = to_email
        self.subject = subject
        self.body = body
        self.queue = "emails"  # Specify queue
        self.delay = 0  # Delay in seconds
        self.max_tries = 3  # Retry attempts

    def handle(self) -> None:
        """Execute the job"""
        # Send email logic
        EmailService.send(self.to_email, self.subject, self.body)

    def failed(self, exception: Exception) -> None:
        """Handle job failure"""
        logging.error(f"Failed to send email to {self.to_email}: {exception}")
        with Path("failures.txt").open("a") as failures:
            failures.write(f"{self.to_email}: {exception}\n")


class ReportJob(Job):
    """Says nothing of tries: its queue's definition decides."""

    queue = "emails"
    backoff = 0

    def handle(self) -> None:
        raise RuntimeError("no figures")
