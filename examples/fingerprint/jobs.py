"""The one job of this example."""

from __future__ import annotations

from pathlib import Path

from fingerprint.measure import measure
from fingerprint.table import save
from qcore import Job


class FingerprintJob(Job):
    """Measure one file and keep what was found in the table at `results`."""

    queue = "fingerprints"
    max_tries = 2
    backoff = 0

    def __init__(self, path: Path, results: Path) -> None:
        super().__init__()
        self.path = path
        self.results = results

    def handle(self) -> None:
        """Do it; a file that is gone by now raises, is tried once more and ends in the failed list."""
        save(self.results, measure(self.path))
