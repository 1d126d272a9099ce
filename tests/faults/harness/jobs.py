"""A job that keeps the books."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.ledger import Ledger
from qcore import Job


class Audited(Job):
    """Notes its start and its end, and `failed` once it has failed for good; `work()` is what it does between."""

    backoff = 0.05

    def handle(self) -> Any:
        ledger = Ledger.here()
        ledger.note("start", self.job_id or "", self.attempts)
        answer = self.work()
        ledger.note("end", self.job_id or "", self.attempts)
        return answer

    def work(self) -> Any:
        """Do it."""

    def failed(self, exception: Exception) -> None:
        Ledger.here().note("failed", self.job_id or "", self.attempts)


class AuditedAsync(Audited):
    """The same on an event loop; the books are kept in threads, so that they hold nobody up."""

    async def handle(self) -> Any:
        ledger = Ledger.here()
        await asyncio.to_thread(ledger.note, "start", self.job_id or "", self.attempts)
        answer = await self.work()
        await asyncio.to_thread(ledger.note, "end", self.job_id or "", self.attempts)
        return answer

    async def work(self) -> Any:
        """Do it."""
