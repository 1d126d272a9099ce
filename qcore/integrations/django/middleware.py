"""Jobs that wait for the response: `MIDDLEWARE = ["qcore.integrations.django.middleware.after_response", …]`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.utils.decorators import sync_and_async_middleware

from qcore.dispatcher import collecting
from qcore.later import make_all


def after_response(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let what `dispatch_after_response` is given go to the store once the response has been sent and closed.

    Args:
        get_response: what Django gives a middleware; sync or async.

    Returns:
        What serves a request, sync or async as that is. What a dispatch raises then, the server logs.
    """
    if iscoroutinefunction(get_response):

        async def serve_async(request: Any) -> Any:
            waiting: list[Callable[[], Any]] = []
            with collecting(waiting):
                response = await get_response(request)
            return _closing(response, waiting)

        return serve_async

    def serve(request: Any) -> Any:
        waiting: list[Callable[[], Any]] = []
        with collecting(waiting):
            response = get_response(request)
        return _closing(response, waiting)

    return serve


after_response = sync_and_async_middleware(after_response)


def _closing(response: Any, waiting: list[Callable[[], Any]]) -> Any:
    """Make the calls when the server closes the response: that is once it is sent, and in a thread."""
    close = response.close

    def close_and_make() -> None:
        try:
            close()
        finally:
            calls, waiting[:] = waiting[:], []
            make_all(calls)

    if waiting:
        response.close = close_and_make
    return response
