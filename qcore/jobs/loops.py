"""What event loops say of errors that nobody awaited: nothing that a job hides."""

from __future__ import annotations

import logging
from traceback import format_tb
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    import asyncio

_minded: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
_log = logging.getLogger("asyncio")


class _Hush:
    """Whether a job that hides something has run in this process: whose task an error was, no loop can tell."""

    is_on = False


def hush() -> None:
    """Let no loop show the words of an error from here on."""
    _Hush.is_on = True


def mind(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop on which jobs run say of errors what may be said."""
    loop.set_exception_handler(_tell)
    _minded.add(loop)


def minded() -> list[asyncio.AbstractEventLoop]:
    """The loops on which jobs run in this process."""
    return list(_minded)


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if not _Hush.is_on or error is None:
        loop.default_exception_handler(context)
        return
    frames = "".join(format_tb(error.__traceback__)).rstrip()
    _log.error("%s: %s, whose words may hold what jobs hide\n%s", context.get("message"), type(error).__name__, frames)
