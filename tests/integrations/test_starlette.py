"""Starlette and FastAPI: when jobs go, and what the lifespan opens, leaves and closes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from integration_jobs import Note
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from qcore import ConfigurationError, JobQueued, PayloadError, QueueManager, dispatcher, events
from qcore.integrations.starlette import AfterResponse, lifespan
from qcore.testing import QueueFake

seen: list[str] = []


def pushed(fake: QueueFake) -> list[str]:
    return [job.word for job in fake.pushed(Note)]


async def plain(_: Request) -> Response:
    Note.dispatch_after_response("held")
    return PlainTextResponse("answer")


def sync(_: Request) -> Response:
    Note.dispatch_after_response("held")
    return PlainTextResponse("answer")


async def broken(_: Request) -> Response:
    Note.dispatch_after_response("held")
    raise ValueError("broken")


async def streaming(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "one"
        Note.dispatch_after_response("from the stream")
        yield "two"

    return StreamingResponse(parts())


async def background(_: Request) -> Response:
    def later() -> None:
        seen.extend(pushed(QueueFake.current()))  # type: ignore[arg-type]  # a fake is installed
        Note.dispatch_after_response("from the task")

    Note.dispatch_after_response("held")
    return PlainTextResponse("answer", background=BackgroundTask(later))


async def socket(connection: WebSocket) -> None:
    await connection.accept()
    Note.dispatch_after_response("at once")
    await connection.send_text("answer")
    await connection.receive_text()
    await connection.close()


ROUTES = [
    *(Route(f"/{one.__name__}", one) for one in (plain, sync, broken, streaming, background)),
    WebSocketRoute("/socket", socket),
]
app = Starlette(routes=ROUTES, middleware=[Middleware(AfterResponse)])


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.parametrize("path", ["plain", "sync", "broken"])
def test_a_job_goes_after_the_response(path: str, client: TestClient, queue_fake: QueueFake) -> None:
    client.get(f"/{path}")
    assert pushed(queue_fake) == ["held"]


def test_it_goes_when_the_last_part_is_sent_and_not_before(queue_fake: QueueFake) -> None:
    told: list[tuple[str, list[str]]] = []

    async def send(message: Any) -> None:
        told.append((message["type"], pushed(queue_fake)))

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/streaming", "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert all(held == [] for _, held in told)
    assert len(told) == 4  # head, two parts, and the end
    assert pushed(queue_fake) == ["from the stream"]


def test_background_tasks_come_after_it_and_may_give_more(client: TestClient, queue_fake: QueueFake) -> None:
    seen.clear()
    client.get("/background")
    assert seen == ["held"]
    assert pushed(queue_fake) == ["held", "from the task"]


def test_a_websocket_holds_nothing_back(client: TestClient, queue_fake: QueueFake) -> None:
    with client.websocket_connect("/socket") as connection:
        assert connection.receive_text() == "answer"
        assert pushed(queue_fake) == ["at once"]
        connection.send_text("end")


def test_a_client_that_goes_takes_no_job_with_it(queue_fake: QueueFake) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        Note.dispatch_after_response("held")
        began.set()
        await asyncio.Event().wait()

    async def cut() -> None:
        serving = asyncio.ensure_future(AfterResponse(slow)({"type": "http"}, None, None))  # type: ignore[arg-type]  # unused
        await began.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    began = asyncio.Event()
    asyncio.run(cut())
    assert pushed(queue_fake) == ["held"]


def test_the_store_is_asked_from_a_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[Any] = []
    monkeypatch.setitem(events.listeners, JobQueued, [lambda _: threads.append(threading.current_thread())])
    loops: list[Any] = []

    async def where(_: Request) -> Response:
        loops.append(threading.current_thread())
        return await plain(_)

    QueueManager.configure(url="memory://")
    with TestClient(Starlette(routes=[Route("/", where)], middleware=[Middleware(AfterResponse)])) as opened:
        opened.get("/")
    assert len(threads) == len(loops) == 1
    assert threads != loops


def test_a_job_that_cannot_be_dispatched_takes_nothing_with_it(queue_fake: QueueFake) -> None:
    async def both(_: Request) -> Response:
        Note.dispatch_after_response(object())  # type: ignore[arg-type]  # which cannot travel
        Note.dispatch_after_response("held")
        return PlainTextResponse("answer", background=BackgroundTask(seen.append, "ran"))

    seen.clear()
    client = TestClient(Starlette(routes=[Route("/", both)], middleware=[Middleware(AfterResponse)]))
    with pytest.raises(PayloadError):
        client.get("/")
    assert pushed(queue_fake) == ["held"]
    assert seen == ["ran"]


def test_the_error_of_a_request_comes_first_and_tells_of_it(queue_fake: QueueFake) -> None:
    async def both(_: Request) -> Response:
        Note.dispatch_after_response(object())  # type: ignore[arg-type]  # which cannot travel
        raise ValueError("broken")

    client = TestClient(Starlette(routes=[Route("/", both)], middleware=[Middleware(AfterResponse)]))
    with pytest.raises(ValueError, match="broken") as raised:
        client.get("/")
    [note] = raised.value.__notes__
    assert note.startswith("also: PayloadError: ")


# -- lifespan --------------------------------------------------------------------------------------------------------


def test_the_lifespan_configures_and_puts_back_what_was_before() -> None:
    before = dispatcher.default()
    with TestClient(Starlette(routes=ROUTES, lifespan=lifespan(url="memory://"))):
        assert QueueManager.current().settings.connection().driver == "memory"
    assert dispatcher.default() is before


def test_the_lifespan_closes_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []

    def close(manager: QueueManager) -> None:
        closed.append(manager)

    monkeypatch.setattr(QueueManager, "close", close)
    with TestClient(Starlette(lifespan=lifespan(url="memory://"))):
        manager = QueueManager.current()
        assert closed == []
    assert closed == [manager]


def test_the_lifespan_reads_a_mapping_or_a_file(tmp_path: Path) -> None:
    with TestClient(Starlette(lifespan=lifespan({"default": {"driver": "memory", "queue": "mail"}}))):
        assert QueueManager.current().settings.connection().queue == "mail"
    (tmp_path / "other.toml").write_text('[connections.default]\nurl = "memory://"\nqueue = "letters"\n')
    with TestClient(Starlette(lifespan=lifespan(tmp_path / "other.toml"))):
        assert QueueManager.current().settings.connection().queue == "letters"


def test_a_lifespan_that_says_nothing_leaves_what_is_there() -> None:
    manager = QueueManager.configure(url="memory://")
    with TestClient(Starlette(lifespan=lifespan())):
        assert QueueManager.current() is manager
    assert QueueManager.current() is manager


def test_a_fake_stays_in_force(queue_fake: QueueFake) -> None:
    with TestClient(
        Starlette(routes=ROUTES, middleware=[Middleware(AfterResponse)], lifespan=lifespan(url="memory://"))
    ) as client:
        client.get("/plain")
    assert pushed(queue_fake) == ["held"]
    assert dispatcher.installed() is queue_fake


def test_another_lifespan_runs_inside() -> None:
    @asynccontextmanager
    async def inner(_: Any) -> AsyncIterator[Any]:
        seen.append(QueueManager.current().settings.connection().driver)
        yield {"told": "by the inner one"}

    async def state(request: Request) -> Response:
        return PlainTextResponse(request.state.told)

    seen.clear()
    with TestClient(Starlette(routes=[Route("/", state)], lifespan=lifespan(url="memory://", inner=inner))) as client:
        assert client.get("/").text == "by the inner one"
    assert seen == ["memory"]


def test_a_wrong_setting_stops_the_start() -> None:
    with (
        pytest.raises(ConfigurationError, match='no setting "urll"'),
        TestClient(Starlette(lifespan=lifespan(urll="memory://"))),
    ):
        pass


# -- the example -----------------------------------------------------------------------------------------------------


def test_the_fastapi_shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QCTL_URL", f"sqlite:///{tmp_path / 'queue.db'}")
    from fastapi_shop.main import app as shop

    from qcore.testing import WorkerTester

    with TestClient(shop) as client:
        answer = client.post("/orders", json={"number": 1, "address": "ann@example.com"})
        assert answer.status_code == 202
        told = f"/jobs/{answer.json()['job']}"
        assert client.get(told).json() == {"state": "pending", "result": None}
        WorkerTester().work("emails", until_empty=True)
        assert client.get(told).json() == {"state": "completed", "result": "receipt of order 1 sent to ann@example.com"}
        assert client.get("/jobs/nothing").status_code == 404
