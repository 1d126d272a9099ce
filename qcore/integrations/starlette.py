"""Starlette: jobs that wait for the response, and connections that open and close with the application.

app = Starlette(routes=[…], lifespan=lifespan(url="redis://cache:6379/0"), middleware=[Middleware(AfterResponse)])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio import CancelScope, to_thread

from qcore.dispatcher import collecting
from qcore.integrations.configuring import configured
from qcore.later import make_all

Message = MutableMapping[str, Any]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]
"""What ASGI calls an application."""
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class AfterResponse:
    """ASGI middleware: what `dispatch_after_response` is given goes to the store once the response has been sent.

    It goes from a thread, so that no other request waits for the store. Put it outermost, that is add it last.

    Args:
        app: the application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one connection; raises what the application raises, and what a dispatch raises after it."""
        if scope["type"] != "http":  # a websocket may stay open for days: there jobs go at once
            await self._app(scope, receive, send)
            return
        waiting: list[Callable[[], Any]] = []
        try:
            with collecting(waiting):
                await self._app(scope, receive, partial(_send, send, waiting))
        finally:
            await _make(waiting)  # without a whole response, and what its background tasks gave


async def _send(send: Callable[[Message], Awaitable[None]], waiting: list[Callable[[], Any]], message: Message) -> None:
    await send(message)
    if message["type"] == "http.response.body" and not message.get("more_body", False):
        await _make(waiting)


async def _make(waiting: list[Callable[[], Any]]) -> None:
    """Make the calls in a thread, even where the client has gone and the request is cancelled."""
    calls = waiting[:]
    waiting.clear()
    if calls:
        with CancelScope(shield=True):
            await to_thread.run_sync(make_all, calls)


def lifespan(
    source: Mapping[str, Any] | str | Path | None = None, /, *, inner: Lifespan | None = None, **flags: Any
) -> Lifespan:
    """Return a lifespan that configures the queues at the start, and closes their connections at the end.

    A `QueueFake` that a test has installed before stays in force.

    Args:
        source: a mapping in the form of `QUEUE_CONFIG`, or the path of a configuration file.
        inner: another lifespan, which runs inside of it.
        flags: single settings that beat the source: `url="redis://…"`, `app="shop.queues"`.

    Returns:
        What the application takes as its `lifespan`. It raises `ConfigurationError` where a setting is wrong.
    """

    @asynccontextmanager
    async def span(app: Any) -> AsyncIterator[Any]:
        with configured(source, flags):
            if inner is None:
                yield None
            else:
                async with inner(app) as state:
                    yield state

    return span
