"""Pytest fixtures, registered by the package: `queue_fake`, and the care for what a test leaves installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from qcore import dispatcher

if TYPE_CHECKING:
    from qcore.testing.fake import QueueFake


@pytest.fixture
def queue_fake() -> Iterator[QueueFake]:
    """A `QueueFake` that takes everything that the test dispatches."""
    from qcore.testing.fake import QueueFake

    with QueueFake() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _dispatcher_kept() -> Iterator[None]:
    """Give each test the dispatcher that was there before the one ahead of it: a fake ends with its test."""
    before = dispatcher.default()
    yield
    if dispatcher.default() is not before:
        dispatcher.install(before)
