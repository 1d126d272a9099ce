"""Jobs of batches and chains, which every script of this folder can import."""

from __future__ import annotations

from typing import Any

from qcore import BatchableJob, ChainableJob


class ProcessDataJob(BatchableJob):
    """Works through one chunk of a lot of data."""

    def __init__(self, data_chunk: list[Any]) -> None:
        super().__init__()
        self.data_chunk = data_chunk
        self.max_tries = 1

    def _handle(self) -> None:
        for item in self.data_chunk:
            self.process_item(item)

    def process_item(self, item: Any) -> None:
        """Process one item of the chunk."""
        if item is None:
            raise ValueError("nothing to process")
        print(f"  processed {item}")


class ExtractDataJob(ChainableJob):
    """Reads."""

    def _handle(self) -> dict[str, Any]:
        return {"extracted_data": [1, 2, 3]}


class TransformDataJob(ChainableJob):
    """Makes something of what was read."""

    def _handle(self) -> dict[str, Any]:
        previous_result = self.get_previous_result()
        return {"transformed_data": [2 * one for one in previous_result["extracted_data"]]}


class LoadDataJob(ChainableJob):
    """Writes what was made of it, and can be kept from it."""

    closed = False

    def __init__(self) -> None:
        super().__init__()
        self.max_tries = 1

    def _handle(self) -> None:
        if LoadDataJob.closed:
            raise RuntimeError("the warehouse is closed")
        print(f"  loaded {self.get_previous_result()['transformed_data']}")


class NotifyCompletionJob(ChainableJob):
    """Tells somebody."""

    def _handle(self) -> None:
        print("  told everybody")
