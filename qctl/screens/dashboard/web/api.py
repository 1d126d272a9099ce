"""The numbers as JSON, and events as they happen: what commands print with `--json`, by the commands themselves."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import WSCloseCode, web

from qctl.exits import Exit

NAMES = ("stats", "workers", "failed", "batches", "chains", "health", "events")
_PAGES = frozenset({"limit", "cursor"})
_ASKED = {"failed": _PAGES, "batches": _PAGES, "chains": _PAGES, "events": frozenset({"limit", "since"})}
"""What may be asked of each, beside its name."""
_COMMANDS = {"events": ("tail", "--once")}
_AT_ONCE = 2
_FOLLOWERS_MOST = 8
_LONGEST_S, _BEATS_EVERY_S = 30.0, 30.0
_LINE_MOST = 2**20
_METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_STATUS = {Exit.OK: 200, Exit.DEGRADED: 200, Exit.CRITICAL: 503, Exit.UNREACHABLE: 503, Exit.USAGE: 400}


class Api:
    """Answers `api/NAME` with what `qctl NAME --json` prints, and `api/events` with what `qctl tail --once` does.

    Who opens a socket at `api/events` is sent each event as it happens, a message each, as `qctl tail --json` tells it.

    Args:
        qctl: the words that run it.
        flags: the words that lead it to the store.
    """

    def __init__(self, qctl: Sequence[str], flags: Sequence[str]) -> None:
        self._qctl, self._flags = qctl, flags
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._followers: set[web.WebSocketResponse] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; `limit` and `cursor` page through what has pages, `since` says how far to look back."""
        name = request.match_info["name"]
        if name not in NAMES:
            return refusal(404, "not_found", f"there is no {name!r}", f"there are: {', '.join(NAMES)}")
        known = _ASKED.get(name, frozenset())
        if unknown := [key for key in request.query if key not in known]:
            hint = f"there are: {', '.join(sorted(known))}" if known else "ask for it alone"
            return refusal(400, "usage", f"{name} takes no {unknown[0]!r}", hint)
        asked = [f"--{key}={value}" for key, value in request.query.items()]
        if name == "events" and is_socket(request):
            return await self._follow(request, ["tail", "--json", *asked])
        said = await self._said([*_COMMANDS.get(name, (name,)), "--json", *asked])
        if isinstance(said, web.Response):
            return said
        body, code = said
        status = _STATUS.get(Exit(code), 500)
        return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")

    async def metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002  there is nothing to ask
        """Answer with what `qctl metrics --prometheus` prints."""
        said = await self._said(["metrics", "--prometheus"])
        return said if isinstance(said, web.Response) else web.Response(body=said[0], headers=_METRICS)

    async def close(self) -> None:
        """Let go of those who follow."""
        for socket in list(self._followers):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    async def _said(self, words: Sequence[str]) -> tuple[bytes, int] | web.Response:
        """What a command prints, and its exit code; a refusal where it says nothing, or not in time."""
        async with self._places, self._running(words) as process:
            try:
                async with asyncio.timeout(_LONGEST_S):
                    said, _ = await process.communicate()
            except TimeoutError:
                return refusal(504, "timeout", "the store takes too long", "")
        if not said:
            return refusal(500, "failed", "the command said nothing", f"run it: qctl {' '.join(words)}")
        return said, process.returncode or 0

    async def _follow(self, request: web.Request, words: Sequence[str]) -> web.StreamResponse:
        """Send what a command prints, line by line, until either side ends."""
        if len(self._followers) >= _FOLLOWERS_MOST:
            return refusal(503, "busy", f"{_FOLLOWERS_MOST} follow already", "close one")
        socket = web.WebSocketResponse(heartbeat=_BEATS_EVERY_S)
        self._followers.add(socket)
        try:
            await socket.prepare(request)
            async with self._running(words) as process:
                ends = [asyncio.create_task(_send(process, socket)), asyncio.create_task(_left(socket))]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for one in ends:
                    one.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"qctl tail has ended")
        finally:
            self._followers.discard(socket)
        return socket

    @asynccontextmanager
    async def _running(self, words: Sequence[str]) -> AsyncIterator[Process]:
        """A command, that is gone after the block."""
        command = [*self._qctl, *words, *self._flags]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, limit=_LINE_MOST
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _send(process: Process, socket: web.WebSocketResponse) -> None:
    assert process.stdout is not None  # noqa: S101  it was asked for
    async for line in process.stdout:
        await socket.send_str(line.decode().rstrip("\n"))


async def _left(socket: web.WebSocketResponse) -> None:
    """Return once the other side is gone; what it says meanwhile is nothing that is asked for."""
    async for _ in socket:
        pass


def is_socket(request: web.Request) -> bool:
    """Whether a socket is asked for."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def refusal(status: int, code: str, message: str, hint: str) -> web.Response:
    """An error, as commands print it with `--json`."""
    error = {"code": code, "exit": int(Exit.FAILED), "message": message, "hint": hint}
    body = json.dumps({"schema": "qctl.error/1", "error": error})
    return web.Response(text=body, status=status, content_type="application/json", charset="utf-8")
