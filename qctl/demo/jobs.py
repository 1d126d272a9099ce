"""The jobs of a made-up shop. They only wait, and some fail: by chance, and yet the same in every run of a job."""

from __future__ import annotations

import random
import time

from qcore import BatchableJob, ChainableJob, Job, ShouldBeUnique

QUEUES = ("orders", "emails", "images", "imports", "partners", "reports")
"""Those that workers serve."""
PAUSED = "newsletter"
"""The one that nobody may work."""
_STEPS = 20


class CardDeclined(Exception):  # noqa: N818  as people say it
    """The bank does not want to."""


def _chance(job: Job, salt: str = "") -> random.Random:
    return random.Random(f"{job.job_id}{salt}")  # noqa: S311  no secret


class ChargeCard(Job):
    """Takes money; now and then the bank declines, and no further try helps."""

    queue = "orders"
    priority = 10

    def __init__(self, order: int, card_number: str) -> None:
        super().__init__()
        self.order, self.card_number = order, card_number

    def handle(self) -> str:
        chance = _chance(self)
        time.sleep(chance.uniform(0.02, 0.12))
        if chance.random() < 0.02:
            self.fail(CardDeclined(f"order {self.order}: the bank declined"))
        return f"order {self.order} paid"


class SendReceipt(Job):
    """Sends mail; the server times out at times, and a later try mostly succeeds."""

    queue = "emails"
    max_tries = 3
    backoff = [2, 5]  # noqa: RUF012  as users write it

    def __init__(self, order: int, address: str) -> None:
        super().__init__()
        self.order, self.address = order, address

    def handle(self) -> None:
        chance = _chance(self, str(self.attempts))
        time.sleep(chance.uniform(0.02, 0.2))
        if "@" not in self.address:
            raise ValueError(f"{self.address!r} is no address")
        if chance.random() < 0.12:
            raise TimeoutError(f"smtp.example.com did not answer for {self.address}")


class Thumbnail(Job):
    """Makes a picture smaller, which takes a while."""

    queue = "images"

    def __init__(self, picture: int) -> None:
        super().__init__()
        self.picture = picture

    def handle(self) -> None:
        time.sleep(_chance(self).uniform(0.1, 0.8))


class ImportRow(BatchableJob):
    """One part of an import; some rows are no good."""

    queue = "imports"

    def __init__(self, row: int) -> None:
        super().__init__()
        self.row = row

    def _handle(self) -> int:
        chance = _chance(self)
        time.sleep(chance.uniform(0.05, 0.4))
        if chance.random() < 0.04:
            self.fail(ValueError(f"row {self.row}: no postcode"))
        return self.row


class MonthlyReport(Job):
    """Runs long, and says how far it is."""

    queue = "reports"
    timeout = 120

    def __init__(self, region: str) -> None:
        super().__init__()
        self.region = region

    def handle(self) -> None:
        pause_s = _chance(self).uniform(0.2, 0.9)
        for step in range(1, _STEPS + 1):
            time.sleep(pause_s)
            self.update_progress(100 * step / _STEPS, f"page {step} of {_STEPS}")


class AskPartner(Job):
    """Asks another firm, which wants to be asked so many times a minute and no more."""

    queue = "partners"

    def __init__(self, article: int) -> None:
        super().__init__()
        self.article = article

    def handle(self) -> None:
        time.sleep(_chance(self).uniform(0.05, 0.3))


class SyncStock(Job, ShouldBeUnique):
    """Counts what is there: one of an article at a time."""

    queue = "partners"

    def __init__(self, article: int) -> None:
        super().__init__()
        self.article = article

    def unique_id(self) -> str:
        """Of one article."""
        return str(self.article)

    def handle(self) -> None:
        time.sleep(_chance(self).uniform(0.5, 2.0))


class Newsletter(Job):
    """Waits for the editor."""

    queue = PAUSED

    def __init__(self, reader: int) -> None:
        super().__init__()
        self.reader = reader

    def handle(self) -> None: ...


class Step(ChainableJob):
    """A step of something larger."""

    queue = "orders"

    def __init__(self, what: str, order: int) -> None:
        super().__init__()
        self.what, self.order = what, order

    def _handle(self) -> str:
        chance = _chance(self)
        time.sleep(chance.uniform(0.3, 1.5))
        if chance.random() < 0.05:
            self.fail(RuntimeError(f"{self.what} of order {self.order}: nobody is at the door"))
        return f"{self.what} done"
