"""The screens at a path of an HTTP server, for whoever came in; textual-serve does the pixels."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import aiohttp_jinja2
from aiohttp import WSMsgType, web
from textual_serve.server import Server

from qctl.screens.dashboard.web.api import Api, is_socket, refusal
from qctl.screens.dashboard.web.guard import STAY_S, Guard, is_same_site

if TYPE_CHECKING:
    from textual_serve.app_service import AppService

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "qctl_dashboard"
PATIENCE_S = 5.0
"""Seconds that screens have to end by themselves."""
_TEMPLATES = Path(__file__).parent / "templates"
_SMALLEST, _LARGEST, _USUAL = 8, 40, 16
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class Site(NamedTuple):
    """What is served, and where.

    Args:
        app: the words that run the screens.
        qctl: the words that run a command.
        flags: the words that lead a command to the store.
        host: to listen on.
        port: to listen on; 0 takes a free one.
        path: at which the screens are.
        sessions: browsers at a time, each a process.
        idle_s: seconds without a key after which one is closed.
    """

    app: Sequence[str]
    qctl: Sequence[str]
    flags: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    path: str = "/horizon"
    sessions: int = 8
    idle_s: float = 3600.0


class DashboardServer(Server):
    """Serves a site to whom the guard lets in.

    Args:
        site: what, and where.
        guard: who may.
        tell: is given each URL that lets one browser in.
    """

    def __init__(self, site: Site, guard: Guard, tell: Callable[[str], object] = print) -> None:
        command = "exec " + shlex.join(site.app)  # it goes through a shell, and none of it is a user's
        super().__init__(command, site.host, site.port, title="qctl dashboard", templates_path=_TEMPLATES)
        self.site, self._guard, self._tell = site, guard, tell
        self._open: set[web.WebSocketResponse] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._api = Api(site.qctl, site.flags)
        self._busy = 0

    @property
    def address(self) -> str:
        """Where the screens are, without the token."""
        host = f"[{self.site.host}]" if ":" in self.site.host else self.site.host
        return f"http://{host}:{self.port}{self.site.path}"

    def invite(self) -> None:
        """Tell of a URL that lets one browser in, once."""
        self._tell(f"{self.address}/?token={self._guard.new_token()}")

    async def _make_app(self) -> web.Application:
        screens = await super()._make_app()
        api = self._api
        screens.add_routes([web.get("/api/{name}", api.answer), web.post("/enter", self._enter_by_form)])
        app = web.Application(middlewares=[self._watch])
        app.add_routes([web.get("/favicon.ico", _no_icon), web.get("/healthz", _alive)])
        app.add_routes([web.get("/metrics", api.metrics)])
        app.add_routes([web.get("/", self._lead), web.get(self.site.path, self._lead)])
        app.add_routes([web.get("/download/{key}", self._lead_to_file)])  # where the library's script looks for them
        app.add_subapp(self.site.path, screens)
        app.on_cleanup.append(self._wait_for_endings)
        return app

    # -- who may ---------------------------------------------------------------------------------------------------

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let nothing but the way in be seen by strangers."""
        try:
            response = await self._judged(request, handler)
        except web.HTTPException as error:
            error.headers.update(_headers(request.host))
            raise
        if not response.prepared:
            response.headers.update(_headers(request.host))
        return response

    async def _judged(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        root = self.site.path
        is_numbers = request.path == "/metrics" or request.path.startswith(f"{root}/api/")
        is_open = request.path in {"/", "/healthz", root, f"{root}/enter"} or not request.path.startswith(f"{root}/")
        if is_open and not is_numbers:
            return await handler(request)
        if request.path == f"{root}/" and "token" in request.query:
            return self._enter(request.query["token"], request)
        is_guest = self._guard.knows(request.cookies.get(COOKIE, ""))
        is_script = is_numbers and self._guard.trusts(request.headers.get("Authorization", ""))
        if not (is_guest or is_script):
            return _stranger(request, root, is_api=is_numbers)
        is_browser = request.path == f"{root}/ws" or (is_socket(request) and not is_script)
        if is_browser and not is_same_site(request.headers.get("Origin"), request.host):
            return refusal(403, "forbidden", "the page that asks is not of this host", f"open {root} itself")
        return await handler(request)

    async def _enter_by_form(self, request: web.Request) -> web.StreamResponse:
        if not is_same_site(request.headers.get("Origin"), request.host):
            return refusal(403, "forbidden", "the page that asks is not of this host", f"open {self.site.path} itself")
        form = await request.post()
        return self._enter(str(form.get("token", "")), request)

    def _enter(self, word: str, request: web.Request) -> web.StreamResponse:
        cookie = self._guard.enter(word.strip())
        if cookie is None:
            return _page("ask.html", 403, path=self.site.path, said="That token is not known, or was used before.")
        if not self._guard.is_waiting():
            self.invite()  # the next one needs a token of its own
        # a page, and no redirect: a cookie that is strict is not sent along with one that began elsewhere
        response = _page("enter.html", 200, path=self.site.path)
        response.set_cookie(
            COOKIE, cookie, max_age=round(STAY_S), path=self.site.path, httponly=True, samesite="Strict",
            secure=request.secure,
        )  # fmt: skip
        return response

    async def _lead(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{self.site.path}/")

    async def _lead_to_file(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{self.site.path}/download/{quote(request.match_info['key'], safe='')}")

    # -- the screens -----------------------------------------------------------------------------------------------

    @aiohttp_jinja2.template("screens.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """The page that holds the screens; all that it loads is of this host."""
        asked = request.query.get("fontsize", "")
        size = int(asked) if asked.isascii() and asked.isdigit() else _USUAL
        return {"font_size": min(_LARGEST, max(_SMALLEST, size)), "path": self.site.path}

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run the screens for one browser, in a process of their own."""
        if self._busy >= self.site.sessions:
            raise web.HTTPServiceUnavailable(text=f"{self._busy} browsers are here already; close one\n")
        self._busy += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self._busy -= 1

    async def _process_messages(self, websocket: web.WebSocketResponse, app_service: AppService) -> None:
        self._open.add(websocket)
        try:
            async with asyncio.timeout(self.site.idle_s) as limit:
                await super()._process_messages(_Heard(websocket, limit, self.site.idle_s), app_service)  # type: ignore[arg-type]  # all that is asked of it
        except TimeoutError:
            await websocket.close(message=b"nobody pressed a key")
        finally:
            self._open.discard(websocket)
            ending = asyncio.create_task(_ended(app_service))  # on its own: who is cut off here still ends it
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: whoever starts this does."""

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002  the library's own signature
        """End what runs for browsers and scripts that are still here."""
        await self._api.close()
        for websocket in list(self._open):
            await websocket.close()

    async def _wait_for_endings(self, _: web.Application) -> None:
        await asyncio.gather(*self._endings)


async def _ended(service: AppService) -> None:
    """End the process of a browser that went away: ask it to, and see to it."""
    process = service._process  # noqa: SLF001  the library waits for it as long as it likes
    if process is None:
        return
    await service.send_meta({"type": "quit"})
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class _Heard:
    """A websocket that puts off the end of its session with each key."""

    def __init__(self, websocket: web.WebSocketResponse, limit: asyncio.Timeout, idle_s: float) -> None:
        self._websocket, self._limit, self._idle_s = websocket, limit, idle_s
        self.send_json = websocket.send_json

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for message in self._websocket:
            if message.type is WSMsgType.TEXT and message.data.startswith('["stdin"'):
                self._limit.reschedule(asyncio.get_running_loop().time() + self._idle_s)
            yield message


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="alive\n")


async def _no_icon(_: web.Request) -> web.Response:
    return web.Response(status=204)


def _stranger(request: web.Request, root: str, *, is_api: bool) -> web.Response:
    if is_api:
        return refusal(
            401, "unauthorized", "who asks is not known", f"open {root}, or send: Authorization: Bearer SECRET"
        )
    if request.path == f"{root}/":
        return _page("ask.html", 403, path=root, said="")
    return web.Response(status=403, text="open the dashboard first\n")


def _page(name: str, status: int, **words: str) -> web.Response:
    text = Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(words)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def _headers(host: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": _POLICY.replace("{host}", host),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
