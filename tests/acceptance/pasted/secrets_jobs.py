"""Encrypted and secure jobs as the requirements show them; only where the names are imported from differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from qcore import Job, SecureJob, ShouldBeEncrypted


class ProcessSensitiveDataJob(Job, ShouldBeEncrypted):
    def __init__(self, sensitive_data: str):
        super().__init__()
        self.sensitive_data = sensitive_data

    def handle(self) -> None:
        # Job data is automatically encrypted/decrypted
        processed = self.process_data(self.sensitive_data)

    def process_data(self, data: str) -> None:
        with Path("processed.txt").open("a") as file:
            file.write(data + "\n")


class ProcessPaymentJob(SecureJob):
    def __init__(self, payment_data: Dict[str, Any]):
        super().__init__()
        self.payment_data = payment_data
        self.set_sensitive_fields(["payment_data"])
        self.set_required_permissions(["process_payments"])

    def handle(self):
        # Payment data is automatically decrypted
        self.process_payment(self.payment_data)

    def process_payment(self, data: Dict[str, Any]) -> None:
        with Path("processed.txt").open("a") as file:
            file.write(data["card"] + "\n")
