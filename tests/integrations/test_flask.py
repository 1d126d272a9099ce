"""Flask: when jobs go, what `app.config["QCORE"]` says, and `flask queue`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from applications import Folder
from flask import Flask, current_app, send_file
from integration_jobs import Note

from qcore import ConfigurationError, QueueManager, dispatcher
from qcore.integrations.flask import Queue
from qcore.testing import QueueFake, WorkerTester


def pushed(fake: QueueFake) -> list[str]:
    return [job.word for job in fake.pushed(Note)]


@pytest.fixture
def app(queue_fake: QueueFake) -> Flask:
    made = Flask(__name__)
    Queue(made)

    @made.get("/plain")
    def plain() -> str:
        Note.dispatch_after_response("held")
        return "answer"

    @made.get("/broken")
    def broken() -> str:
        Note.dispatch_after_response("held")
        raise ValueError("broken")

    @made.get("/streaming")
    def streaming() -> Iterator[str]:
        yield "one"
        Note.dispatch_after_response("from the stream")
        yield "two"

    @made.get("/file")
    def file() -> Any:
        Note.dispatch_after_response("held")
        return send_file(__file__)

    @made.get("/teardown")
    def teardown() -> str:
        @current_app.teardown_appcontext
        def _note(_: Any) -> None:
            Note.dispatch_after_response("from the end of the request")

        return "answer"

    return made


@pytest.mark.parametrize(
    ("path", "words"),
    [("plain", ["held"]), ("streaming", ["from the stream"]), ("file", ["held"]), ("broken", ["held"])],
)
def test_a_job_goes_when_the_response_is_closed(path: str, words: list[str], app: Flask, queue_fake: QueueFake) -> None:
    with app.test_client().get(f"/{path}") as answer:
        assert answer.get_data()
        assert pushed(queue_fake) == []
    assert pushed(queue_fake) == words


def test_responses_hold_their_own_jobs(app: Flask, queue_fake: QueueFake) -> None:
    client = app.test_client()
    first, second = client.get("/plain"), client.get("/plain")
    first.close()
    assert pushed(queue_fake) == ["held"]
    Note.dispatch_after_response("at once")  # of no response
    assert pushed(queue_fake) == ["held", "at once"]
    second.close()
    second.close()
    assert pushed(queue_fake) == ["held", "at once", "held"]


def test_an_error_that_nobody_handles_takes_no_job_with_it(app: Flask, queue_fake: QueueFake) -> None:
    app.testing = True
    with pytest.raises(ValueError, match="broken"):
        app.test_client().get("/broken")
    assert pushed(queue_fake) == ["held"]


def test_a_job_that_cannot_be_dispatched_takes_none_with_it(app: Flask, queue_fake: QueueFake) -> None:
    @app.get("/both")
    def both() -> str:
        Note.dispatch_after_response(object())  # type: ignore[arg-type]  # which cannot travel
        Note.dispatch_after_response("held")
        return "answer"

    answer = app.test_client().get("/both")
    with pytest.raises(Exception, match="cannot travel"):
        answer.close()
    assert pushed(queue_fake) == ["held"]


# -- settings --------------------------------------------------------------------------------------------------------


def configured(**told: Any) -> QueueManager:
    app = Flask(__name__)
    app.config["QCORE"] = told
    Queue(app)
    assert "qcore" in app.extensions
    return QueueManager.current()


def test_the_settings_of_the_application_are_in_force() -> None:
    assert configured(url="memory://").settings.connection().driver == "memory"
    tables = {
        "QUEUE_CONFIG": {"mail": {"driver": "redis", "connection": "cache"}},
        "STORES": {"cache": "redis://cache"},
    }
    assert configured(**tables, connection="mail").settings.connection().url == "redis://cache"


def test_the_environment_beats_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCTL_URL", "null://")
    assert configured(url="memory://").settings.connection().driver == "null"


def test_the_application_made_last_is_in_force_and_a_fake_beats_both() -> None:
    first = configured(url="memory://")
    assert configured(url="memory://") is not first
    with QueueFake() as fake:
        configured(url="memory://")
        assert dispatcher.installed() is fake


@pytest.mark.parametrize(
    ("told", "message"),
    [({"urll": "memory://"}, 'no setting "urll"'), ({"STORES": 3}, "STORES"), ("memory://", "must be a mapping")],
)
def test_what_is_wrong_is_said_at_once(told: Any, message: str) -> None:
    app = Flask(__name__)
    app.config["QCORE"] = told
    with pytest.raises(ConfigurationError, match=message):
        Queue(app)


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def flask(_unwrapped: object, folder: Folder) -> Callable[..., Any]:
    """Run `flask queue …` of the example, in this process."""
    from flask_shop import create_app

    app = create_app({"QCORE": {"url": folder.url, "app": "flask_shop.jobs"}})
    return lambda *words: app.test_cli_runner().invoke(args=["queue", *words])


def test_flask_queue_is_qctl_with_the_settings_of_the_application(flask: Callable[..., Any]) -> None:
    QueueManager.current().connection()
    Note("held").on_queue("emails").dispatch()
    answer = flask("stats", "--json")
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert told["data"]["totals"]["pending"] == 1
    assert told["backend"]["url"] == QueueManager.current().settings.connection().url


def test_its_flags_are_those_of_qctl(flask: Callable[..., Any]) -> None:
    assert flask("--help").stdout.startswith("Usage: qctl")
    assert flask("stats", "--help").stdout.startswith("Usage: qctl stats")
    assert flask("stats", "--url", "memory://", "--json").stdout.count('"driver": "memory"') == 1
    wrong = flask("bogus")
    assert (wrong.exit_code, wrong.stderr.splitlines()[0]) == (2, "error: no command 'bogus'")


def test_the_shop(flask: Callable[..., Any], folder: Folder) -> None:
    from flask_shop import create_app

    client = create_app({"QCORE": {"url": folder.url, "app": "flask_shop.jobs"}}).test_client()
    with client.post("/orders", json={"number": 1, "address": "ann@example.com"}) as answer:
        told = f"/jobs/{answer.get_json()['job']}"
        assert client.get(told).status_code == 404
    assert client.get(told).get_json() == {"state": "pending", "result": None}
    assert flask("work", "--queue", "emails", "--once", "--quiet").exit_code == 0
    assert client.get(told).get_json() == {
        "state": "completed",
        "result": "The shop: receipt of order 1 sent to ann@example.com",
    }


def test_a_job_without_the_context_of_the_application_says_so(folder: Folder) -> None:
    from flask_shop import create_app
    from flask_shop.jobs import SendReceipt

    create_app({"QCORE": {"url": folder.url}})
    SendReceipt(1, "ann@example.com").with_tries(1).dispatch()
    with pytest.raises(RuntimeError, match="outside of application context"):
        WorkerTester().work("emails", until_empty=True)


@pytest.mark.slow
def test_workers_of_the_shop_are_processes_of_flask(folder: Folder) -> None:
    env = {"QCTL_URL": folder.url, "FLASK_APP": "flask_shop"}
    folder.run("flask", "queue", "dispatch", "flask_shop.jobs:SendReceipt", '[1, "ann@example.com"]', **env)
    told = folder.run("flask", "queue", "work", "--queue", "emails", "--stop-when-empty", "--processes", "2", **env)
    assert '"outcome": "completed"' in told
    assert "1\n" in folder.run("flask", "queue", "stats", "--format", "{completed}", **env)
