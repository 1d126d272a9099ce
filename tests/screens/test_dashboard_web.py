"""`qctl dashboard --serve`: who gets in, what they see, and the numbers as JSON."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar, WSCloseCode, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families
from psutil import STATUS_ZOMBIE, Process

from qctl.screens.dashboard.web import server as server_module
from qctl.screens.dashboard.web.guard import STAY_S, Guard
from qctl.screens.dashboard.web.server import COOKIE, DashboardServer, Site

SECRET = "a secret of more than sixteen"
SCRIPT = {"Authorization": f"Bearer {SECRET}"}
NAMES = ("stats", "workers", "failed", "batches", "chains", "health", "events")
_TALKS = "import sys; sys.stdout.write('__GANGLION__\\n'); sys.stdout.flush(); sys.stdin.read(1)"
"""A process that lives until it is told to end, in the place of the screens: a quit ends it."""


@pytest.fixture
def web(tmp_path: Path) -> Callable[..., Any]:
    """Serves the dashboard of an empty store: `async with web() as (client, urls):`."""

    @asynccontextmanager
    async def run(**more: Any) -> AsyncIterator[tuple[TestClient[Any, Any], list[str]]]:
        urls: list[str] = []
        words = {"app": [sys.executable, "-c", _TALKS], "qctl": [sys.executable, "-m", "qctl"]}
        site = Site(**{**words, "flags": ["--url", f"sqlite:///{tmp_path}/queue.db"], **more})
        server = DashboardServer(site, Guard(SECRET), urls.append)
        server.invite()
        client = TestClient(TestServer(await server._make_app()), cookie_jar=CookieJar(unsafe=True))
        async with client, asyncio.timeout(60):
            yield client, urls

    return run


@pytest.fixture(scope="module")
def schemas() -> Any:
    """What `--json` is held to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "cli")
        from shop import ROOT, Schemas
    return Schemas(ROOT / "qctl" / "schemas")


def token_in(url: str) -> str:
    return url.partition("token=")[2]


async def entered(client: Any, urls: list[str]) -> str:
    """Come in by the URL that was told; returns the origin of this server."""
    answer = await client.get(f"/horizon/?token={token_in(urls[-1])}")
    assert answer.status == 200
    return str(client.make_url("/")).rstrip("/")


async def test_a_stranger_is_asked_for_the_token(web: Any) -> None:
    async with web() as (client, _):
        answer = await client.get("/horizon/")
        text = await answer.text()
        assert answer.status == 403
        assert 'name="token"' in text
        assert COOKIE not in answer.cookies
        assert (await client.get("/")).url.path == "/horizon/"


@pytest.mark.parametrize(
    "path", ["/horizon/static/js/textual.js", "/horizon/download/x", "/horizon/ws", "/horizon/nowhere"]
)
async def test_a_stranger_sees_nothing(web: Any, path: str) -> None:
    async with web() as (client, _):
        answer = await client.get(path)
        assert answer.status == 403
        assert await answer.text() == "open the dashboard first\n"


async def test_the_token_lets_one_browser_in_once(web: Any) -> None:
    async with web() as (client, urls):
        token = token_in(urls[0])
        answer = await client.get(f"/horizon/?token={token}")
        cookie = answer.cookies[COOKIE]
        assert (answer.status, cookie["httponly"], cookie["samesite"], cookie["path"]) == (
            200,
            True,
            "Strict",
            "/horizon",
        )
        assert (await client.get("/horizon/")).status == 200
        client.session.cookie_jar.clear()
        again = await client.get(f"/horizon/?token={token}")
        assert again.status == 403
        assert "used before" in await again.text()
        assert len(urls) == 2, "the next one gets a token of its own"
        assert (await client.get(f"/horizon/?token={token_in(urls[1])}")).status == 200


async def test_the_form_takes_the_token_from_its_own_page_alone(web: Any) -> None:
    async with web() as (client, urls):
        form = {"token": token_in(urls[0])}
        for headers in ({}, {"Origin": "http://elsewhere.example"}, {"Origin": "null"}):
            assert (await client.post("/horizon/enter", data=form, headers=headers)).status == 403
        origin = str(client.make_url("/")).rstrip("/")
        assert (await client.post("/horizon/enter", data={"token": "x"}, headers={"Origin": origin})).status == 403
        assert (await client.post("/horizon/enter", data=form, headers={"Origin": origin})).status == 200
        assert (await client.get("/horizon/")).status == 200


async def test_the_page_loads_nothing_from_elsewhere(web: Any) -> None:
    async with web() as (client, urls):
        await entered(client, urls)
        answer = await client.get("/horizon/?fontsize=900")
        text = await answer.text()
        assert not re.findall(r"https?://", text)
        assert 'data-font-size="40"' in text
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        for path in re.findall(r'(?:src|href)="([^"]+)"', text):
            assert (await client.get(path)).status == 200


@pytest.mark.parametrize("origin", [None, "http://elsewhere.example", "null", "http://127.0.0.1.example"])
async def test_a_page_of_elsewhere_opens_no_socket(web: Any, origin: str | None) -> None:
    async with web() as (client, urls):
        await entered(client, urls)
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/horizon/ws", origin=origin)
        assert refused.value.status == 403


async def test_no_more_browsers_than_are_allowed(web: Any) -> None:
    async with web(sessions=1) as (client, urls):
        origin = await entered(client, urls)
        socket = await client.ws_connect("/horizon/ws", origin=origin)
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/horizon/ws", origin=origin)
        assert refused.value.status == 503
        await socket.close()


async def test_who_presses_no_key_is_shown_out(web: Any) -> None:
    async with web(idle_s=0.2) as (client, urls):
        origin = await entered(client, urls)
        socket = await client.ws_connect("/horizon/ws", origin=origin)
        async for _ in socket:
            pass
        assert socket.closed


async def test_screens_that_do_not_end_are_ended(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.1)
    before = set(Process().children(recursive=True))
    async with web(app=[sys.executable, "-c", f"{_TALKS}; import time; time.sleep(600)"]) as (client, urls):
        origin = await entered(client, urls)
        socket = await client.ws_connect("/horizon/ws", origin=origin)
        while not (screens := set(Process().children(recursive=True)) - before):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
        await socket.close()
    assert not any(one.is_running() and one.status() != STATUS_ZOMBIE for one in screens)


@pytest.mark.parametrize("name", NAMES)
async def test_the_numbers_are_those_of_the_command(web: Any, name: str, schemas: Any) -> None:
    async with web() as (client, urls):
        await entered(client, urls)
        answer = await client.get(f"/horizon/api/{name}")
        body = await answer.json()
        assert answer.status == 200
        assert body["schema"] == f"qctl.{name}/1"
        schemas.check(name, body)


async def test_scripts_bring_the_secret(web: Any) -> None:
    async with web() as (client, _):
        for headers, status in (
            ({}, 401), ({"Authorization": "Bearer x"}, 401), ({"Authorization": f"Bearer {SECRET}"}, 200),
        ):  # fmt: skip
            assert (await client.get("/horizon/api/stats", headers=headers)).status == status
        page = await client.get("/horizon/", headers={"Authorization": f"Bearer {SECRET}"})
        assert page.status == 403, "the screens want a cookie"


async def test_what_the_api_does_not_know(web: Any, schemas: Any) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with web() as (client, _):
        for path, status in (
            ("config", 404),
            ("stats?limit=3", 400),
            ("failed?limit=none", 400),
            ("failed?limit=1", 200),
            ("failed?since=1h", 400),
            ("events?cursor=1", 400),
            ("events?since=soon", 400),
            ("events?since=1h&limit=3", 200),
        ):
            answer = await client.get(f"/horizon/api/{path}", headers=headers)
            assert answer.status == status, path
            if status != 200:
                schemas.check("error", await answer.json())


def dispatch(tmp_path: Path) -> str:
    """Dispatch a job to the store that is served; its id."""
    words = ["dispatch", "screen_jobs:Works", "--url", f"sqlite:///{tmp_path}/queue.db"]
    ended = subprocess.run(
        [sys.executable, "-m", "qctl", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


@pytest.mark.slow
async def test_events_come_through_a_socket(web: Any, tmp_path: Path, schemas: Any) -> None:
    first = await asyncio.to_thread(dispatch, tmp_path)
    async with web() as (client, _):
        socket = await client.ws_connect("/horizon/api/events?since=1h", headers=SCRIPT)
        told = await socket.receive_json()
        schemas.check("event", told)
        assert (told["event"], told["id"]) == ("dispatched", first)
        later = await asyncio.to_thread(dispatch, tmp_path)
        assert (await socket.receive_json())["id"] == later
        [follows] = followers()
        await socket.close()
        while follows.is_running() and follows.status() != STATUS_ZOMBIE:  # noqa: ASYNC110  nothing tells it
            await asyncio.sleep(0.01)
        counted = await client.ws_connect("/horizon/api/events?since=1h&limit=2", headers=SCRIPT)
        assert [json.loads(one.data)["id"] async for one in counted] == [first, later]
        assert counted.close_code == WSCloseCode.TRY_AGAIN_LATER


def followers() -> list[Process]:
    return [one for one in Process().children() if "tail" in one.cmdline()]


async def test_who_may_follow_events(web: Any, schemas: Any) -> None:
    async with web() as (client, urls):
        with pytest.raises(WSServerHandshakeError, match="401"):
            await client.ws_connect("/horizon/api/events")
        origin = await entered(client, urls)
        for elsewhere in (None, "http://elsewhere.example"):
            with pytest.raises(WSServerHandshakeError, match="403"):
                await client.ws_connect("/horizon/api/events", origin=elsewhere)
        for number in range(8):
            await client.ws_connect("/horizon/api/events", origin=origin if number % 2 else None, headers=SCRIPT)
        with pytest.raises(WSServerHandshakeError, match="503"):
            await client.ws_connect("/horizon/api/events", origin=origin)
    assert not any(one.is_running() and one.status() != STATUS_ZOMBIE for one in followers())


async def test_prometheus_brings_the_secret(web: Any) -> None:
    async with web() as (client, urls):
        await entered(client, urls)
        assert (await client.get("/metrics")).status == 401, "the cookie is for the pages alone"
        answer = await client.get("/metrics", headers=SCRIPT)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        names = {family.name for family in text_string_to_metric_families(await answer.text())}
        assert "qctl_store_up" in names


async def test_alive_without_a_token(web: Any) -> None:
    async with web(path="/queues") as (client, urls):
        assert await (await client.get("/healthz")).text() == "alive\n"
        assert (await client.get("/horizon/")).status == 404
        assert "/queues/?token=" in urls[0]
        assert (await client.get("/queues/")).status == 403


@pytest.mark.slow
async def test_the_screens_come_through_the_socket(web: Any, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "qctl", "dashboard", "--url", f"sqlite:///{tmp_path}/queue.db", "--read-only"]
    async with web(app=words) as (client, urls):
        origin = await entered(client, urls)
        socket = await client.ws_connect("/horizon/ws?width=120&height=40", origin=origin)
        seen = b""
        while b"No queues yet" not in seen:
            message = await socket.receive()
            assert isinstance(message.data, str | bytes), f"it ended: {seen[-500:]!r}"
            seen += message.data if isinstance(message.data, bytes) else message.data.encode()
        await socket.send_json(["stdin", "0"])
        while b"answers in" not in seen:
            seen += (await socket.receive()).data
        await socket.send_json(["stdin", "e"])
        told = await socket.receive()
        while not isinstance(told.data, str):
            told = await socket.receive()
        kind, key = json.loads(told.data)
        assert kind == "deliver_file_start"
        rows = await (await client.get(f"/download/{key}")).text()
        assert rows.startswith("VERDICT,CHECK,FOUND")
        await socket.send_json(["stdin", "q"])
        async for _ in socket:
            pass
        assert socket.closed


def test_a_guest_may_stay_for_a_while() -> None:
    now = [100.0]
    guard = Guard(clock=lambda: now[0])
    cookie = guard.enter(guard.new_token())
    assert cookie is not None
    assert guard.knows(cookie)
    assert not guard.knows("")
    now[0] += STAY_S + 1
    assert not guard.knows(cookie)


def test_a_new_token_takes_the_place_of_the_one_before() -> None:
    guard = Guard()
    first, second = guard.new_token(), guard.new_token()
    assert guard.enter(first) is None
    assert guard.enter("") is None
    assert guard.enter(second) is not None
    assert not guard.trusts("Bearer ")
