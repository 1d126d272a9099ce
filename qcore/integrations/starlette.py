"""Starlette: jobs that wait for the response, and connections that open and close with the application.

app = Starlette(routes=[…], lifespan=lifespan(url="redis://cache:6379/0"), middleware=[Middleware(AfterResponse)])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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

    Source: ASGI 3, by which a response has been sent with its last `http.response.body`.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one connection.

        Raises:
            Exception: what the application raises; else the first error of what was dispatched after the response.
        """
        if scope["type"] != "http":  # a websocket may stay open for days: there jobs go at once
            await self._app(scope, receive, send)
            return
        held = _Held(send)
        try:
            with collecting(held.calls):
                await self._app(scope, receive, held.send)
        except BaseException as error:  # no whole response, and what waited goes all the same
            await held.release()
            if held.error is not None:
                error.add_note(f"also: {type(held.error).__name__}: {held.error}")
            raise
        await held.release()  # what background tasks gave
        if held.error is not None:
            raise held.error


class _Held:
    """What waits for one response."""

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.error: Exception | None = None
        """The first one; it is no matter of the response, nor of its background tasks."""
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a part of the response, and after the last one make the calls."""
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await self.release()

    async def release(self) -> None:
        """Make the calls in a thread, even where the client has gone and the request is cancelled."""
        calls, self.calls[:] = self.calls[:], []
        if not calls:
            return
        try:
            with CancelScope(shield=True):
                await to_thread.run_sync(make_all, calls)
        except Exception as error:  # noqa: BLE001  a store may raise anything
            self.error = self.error or error


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
