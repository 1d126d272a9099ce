"""Managers that let go of their stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qcore import QueueManager
from qcore.config import load_settings


@contextmanager
def in_use(flags: Mapping[str, Any], **more: Any) -> Iterator[QueueManager]:
    """Use a manager of these settings for a block, at whose end it is closed."""
    manager = QueueManager(load_settings(flags, environ={}, **more))
    try:
        with manager.using():
            yield manager
    finally:
        manager.close()
