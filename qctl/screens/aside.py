"""What is done beside the screen, in threads that keep nobody from pressing a key, nor from leaving."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App


def aside(work: Callable[[], object]) -> None:
    """Do something in a thread of its own; who leaves does not wait for it."""
    threading.Thread(target=copy_context().run, args=(work,), name="qctl-aside", daemon=True).start()


def tell(app: App[Any], say: Callable[..., object], *words: object) -> None:
    """Let an app do something with what came of that, from its own thread, if it is still there."""
    with suppress(RuntimeError):  # it was left, and its loop is closed
        app.call_later(say, *words)
