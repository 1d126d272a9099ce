"""The numbers as JSON: what the commands print with `--json`, by the commands themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from aiohttp import web

from qctl.exits import Exit

NAMES = ("stats", "workers", "failed", "batches", "chains", "health", "events")
_PAGES = frozenset({"limit", "cursor"})
_ASKED = {"failed": _PAGES, "batches": _PAGES, "chains": _PAGES, "events": frozenset({"limit", "since"})}
"""What may be asked of each, beside its name."""
_COMMANDS = {"events": ("tail", "--once")}
_AT_ONCE = 2
_LONGEST_S = 30.0
_STATUS = {Exit.OK: 200, Exit.DEGRADED: 200, Exit.CRITICAL: 503, Exit.UNREACHABLE: 503, Exit.USAGE: 400}


class Api:
    """Answers `api/NAME` with what `qctl NAME --json` prints, and `api/events` with what `qctl tail --once` does.

    Args:
        qctl: the words that run it.
        flags: the words that lead it to the store.
    """

    def __init__(self, qctl: Sequence[str], flags: Sequence[str]) -> None:
        self._qctl, self._flags = qctl, flags
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request; `limit` and `cursor` page through what has pages, `since` says how far to look back."""
        name = request.match_info["name"]
        if name not in NAMES:
            return refusal(404, "not_found", f"there is no {name!r}", f"there are: {', '.join(NAMES)}")
        known = _ASKED.get(name, frozenset())
        if unknown := [key for key in request.query if key not in known]:
            hint = f"there are: {', '.join(sorted(known))}" if known else "ask for it alone"
            return refusal(400, "usage", f"{name} takes no {unknown[0]!r}", hint)
        asked = [f"--{key}={value}" for key, value in request.query.items()]
        async with self._places:
            return await self._run([*self._qctl, *_COMMANDS.get(name, (name,)), "--json", *self._flags, *asked])

    async def _run(self, words: Sequence[str]) -> web.Response:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(_LONGEST_S):
                said, _ = await process.communicate()
        except TimeoutError:
            return refusal(504, "timeout", "the store takes too long", "")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not said:
            return refusal(500, "failed", "the command said nothing", f"run it: qctl {' '.join(words[-2:])}")
        status = _STATUS.get(Exit(process.returncode or 0), 500)
        return web.Response(body=said, status=status, content_type="application/json", charset="utf-8")


def refusal(status: int, code: str, message: str, hint: str) -> web.Response:
    """An error, as commands print it with `--json`."""
    error = {"code": code, "exit": int(Exit.FAILED), "message": message, "hint": hint}
    body = json.dumps({"schema": "qctl.error/1", "error": error})
    return web.Response(text=body, status=status, content_type="application/json", charset="utf-8")
