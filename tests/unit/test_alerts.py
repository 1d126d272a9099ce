"""Alerts: told once when a threshold is passed and once when it is over, whoever watches; and the ways to tell."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from fakes.clock import FakeClock
from fakes.managers import in_use
from fakes.values import envelopes

from qcore import ConfigurationError, QueueManager
from qcore.clock import instant
from qcore.monitor.alerts import Alert, Watcher, incidents
from qcore.monitor.hooks import AppriseHook, CommandHook, HookFailed, WebhookHook, tell_all

ALERT = Alert(
    queue="mail",
    connection="default",
    kind="size",
    state="firing",
    value=12,
    threshold=10,
    size=12,
    wait_s=1.5,
    at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def managers(store_url: str) -> Iterator[list[QueueManager]]:
    """Two processes' worth of managers on one store."""
    with ExitStack() as opened:
        yield [opened.enter_context(in_use({"url": store_url})) for _ in range(2)]


def told(watcher: Watcher, *, is_heard: bool | None = True) -> list[tuple[str, str, str]]:
    """What a look finds to tell, which is heard, or is not; None: the watcher is killed before."""
    _, alerts = watcher.look()
    for alert in alerts if is_heard is not None else ():
        watcher.settle(alert, was_told=bool(is_heard))
    return [(alert.queue, alert.kind, alert.state) for alert in alerts]


def known(manager: QueueManager) -> list[tuple[str, str, float, str]]:
    """What is told of now, as whoever looks at the store sees it."""
    return [(one.queue, one.kind, one.threshold, one.text) for one in incidents(manager.connection())]


def fill(manager: QueueManager, number: int, queue: str = "mail") -> None:
    manager.connection().push(envelopes(number, queue))


def test_told_once_when_it_begins_and_once_when_it_is_over(managers: list[QueueManager]) -> None:
    watcher = Watcher(managers[0], max_size=2, max_wait_s=None)
    fill(managers[0], 2)
    assert told(watcher) == []
    fill(managers[0], 1)
    assert told(watcher) == [("mail", "size", "firing")]
    assert told(watcher) == []
    managers[0].connection().clear("mail")
    assert told(watcher) == [("mail", "size", "over")]
    assert told(watcher) == []
    fill(managers[0], 3)
    assert told(watcher) == [("mail", "size", "firing")]


def test_whoever_looks_at_the_store_sees_what_is_told_of(managers: list[QueueManager]) -> None:
    store = managers[0].connection()
    for key in ("alert", "alert:x:1:mail", "alert:size:many:mail", "alerts:size:1:mail"):
        store.take_lock(key, "somebody", 10**9)  # a job's own, whatever it is called
    watcher = Watcher(managers[0], max_size=2, max_wait_s=0.0)
    fill(managers[0], 3, "mail:eu")
    assert known(managers[1]) == []
    assert len(told(watcher)) == 2
    assert known(managers[1]) == [
        ("mail:eu", "size", 2.0, "more than 2 jobs"),
        ("mail:eu", "wait", 0.0, "waits for more than 0 s"),
    ]
    [since, _] = [one.since for one in incidents(store)]
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60
    store.clear("mail:eu")
    assert len(told(watcher)) == 2
    assert known(managers[1]) == []


def test_a_queue_with_a_long_name_is_seen_without_it(managers: list[QueueManager]) -> None:
    fill(managers[0], 1, "q" * 190)
    assert len(told(Watcher(managers[0], max_size=0, max_wait_s=None))) == 1
    [(queue, _, _, text)] = known(managers[1])
    assert (queue, text) == ("", "a queue with a long name is past a threshold")


def test_of_two_watchers_one_tells(managers: list[QueueManager]) -> None:
    first, second = (Watcher(manager, ["mail"], max_size=0, max_wait_s=None) for manager in managers)
    fill(managers[0], 1)
    assert told(first) + told(second) == [("mail", "size", "firing")]
    managers[0].connection().clear("mail")
    assert told(second) + told(first) == [("mail", "size", "over")]


def test_one_that_begins_anew_knows_what_was_told(managers: list[QueueManager]) -> None:
    fill(managers[0], 1)
    looks = [told(Watcher(managers[0], max_size=0, max_wait_s=None)) for _ in range(2)]
    assert looks == [[("mail", "size", "firing")], []]
    managers[0].connection().clear("mail")
    assert told(Watcher(managers[1], max_size=0, max_wait_s=None)) == [("mail", "size", "over")]


def test_what_nobody_heard_is_told_by_the_next_look(managers: list[QueueManager]) -> None:
    fill(managers[0], 1)
    watcher = Watcher(managers[0], max_size=0, max_wait_s=None)
    assert [told(watcher, is_heard=False) for _ in range(2)] == [[("mail", "size", "firing")]] * 2
    assert told(Watcher(managers[1], max_size=0, max_wait_s=None)) == [("mail", "size", "firing")]
    assert told(watcher) == []
    managers[0].connection().clear("mail")
    assert told(watcher, is_heard=False) == told(watcher) == [("mail", "size", "over")]
    assert told(watcher) == []


def test_while_one_tells_another_does_not(managers: list[QueueManager]) -> None:
    fill(managers[0], 1)
    first, second = (Watcher(manager, max_size=0, max_wait_s=None) for manager in managers)
    _, [alert] = first.look()
    assert told(second) == []
    first.settle(alert, was_told=False)
    assert told(second) == [("mail", "size", "firing")]


def test_one_that_is_killed_before_it_told_silences_nobody_for_long(managers: list[QueueManager]) -> None:
    fill(managers[0], 1)
    assert told(Watcher(managers[0], max_size=0, max_wait_s=None), is_heard=None) == [("mail", "size", "firing")]
    now = datetime.now(UTC)
    locks = managers[1].connection().locks().locks
    assert {60 < (instant(lock.until_us or 0) - now).total_seconds() < 150 for lock in locks} == {True}
    for lock in locks:  # as their end would
        managers[1].connection().release_lock(lock.key)
    assert told(Watcher(managers[1], max_size=0, max_wait_s=None)) == [("mail", "size", "firing")]


def test_an_incident_that_goes_on_is_renewed(managers: list[QueueManager]) -> None:
    clock = FakeClock()
    fill(managers[0], 1)
    watcher = Watcher(managers[0], max_size=0, max_wait_s=None, clock=clock)
    assert told(watcher) == [("mail", "size", "firing")]
    [before] = managers[0].connection().locks().locks
    clock.advance(2 * 86_400)
    assert told(watcher) == []
    [after] = managers[0].connection().locks().locks
    assert (after.key, (after.until_us or 0) > (before.until_us or 0)) == (before.key, True)
    managers[0].connection().release_lock(after.key)
    clock.advance(2 * 86_400)
    assert told(watcher) == [("mail", "size", "firing")], "somebody has ended it: it is another one"


def test_other_thresholds_are_other_incidents(managers: list[QueueManager]) -> None:
    fill(managers[0], 2)
    low, high = (
        Watcher(manager, max_size=most, max_wait_s=None) for manager, most in zip(managers, (0, 1), strict=True)
    )
    assert told(low) == told(high) == [("mail", "size", "firing")]


def test_a_queue_with_a_very_long_name(managers: list[QueueManager]) -> None:
    name = "q" * 250
    fill(managers[0], 1, name)
    watcher = Watcher(managers[0], max_size=0, max_wait_s=None)
    assert [told(watcher), told(watcher)] == [[(name, "size", "firing")], []]


def test_the_wait_of_the_oldest_job() -> None:
    with in_use({"url": "memory://"}) as manager:
        fill(manager, 1)
        watcher = Watcher(manager, max_size=None, max_wait_s=0.0)
        readings, [alert] = watcher.look()
        assert (alert.kind, readings[0].over, readings[0].size) == ("wait", ("wait",), 1)
        assert 0 < alert.value < 60
        assert "the oldest job waits for" in alert.text


def test_only_the_queues_that_are_named() -> None:
    with in_use({"url": "memory://"}) as manager:
        fill(manager, 1)
        fill(manager, 1, "other")
        assert told(Watcher(manager, ["other"], max_size=0, max_wait_s=None)) == [("other", "size", "firing")]


def test_a_command_is_told_on_stdin_and_in_its_environment(tmp_path: Path) -> None:
    CommandHook(
        f'cat > {tmp_path}/stdin; echo "$QCTL_ALERT_QUEUE $QCTL_ALERT_STATE $QCTL_ALERT_TEXT" > {tmp_path}/env'
    ).tell(ALERT)
    facts = json.loads((tmp_path / "stdin").read_text())
    assert (facts["queue"], facts["kind"], facts["value"], facts["threshold"]) == ("mail", "size", 12, 10)
    assert (tmp_path / "env").read_text() == "mail firing queue mail: 12 jobs, more than 10 jobs\n"


def test_a_command_that_fails_or_never_ends() -> None:
    with pytest.raises(HookFailed, match="exit code 3"):
        CommandHook("exit 3").tell(ALERT)
    with pytest.raises(HookFailed, match=r"did not end within 0\.1 s"):
        CommandHook("exec sleep 60", timeout_s=0.1).tell(ALERT)


def test_one_that_fails_keeps_no_other_from_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "qcore"):
        assert tell_all([CommandHook("exit 3"), CommandHook(f"touch {tmp_path}/told")], ALERT) == 1
    assert (tmp_path / "told").exists()
    assert "exit code 3" in caplog.text


class Receiver:
    """A server that answers as it is told, and keeps what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.got: list[Any] = []
        left = list(answers)
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(left.pop(0))
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/t0ken"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_webhook_gets_json() -> None:
    with Receiver(204) as server:
        WebhookHook(server.url).tell(ALERT)
    [(path, kind, body)] = server.got
    assert (path, kind) == ("/t0ken", "application/json")
    assert (body["queue"], body["state"], body["at"]) == ("mail", "firing", "2026-01-01T00:00:00Z")


def test_a_server_in_trouble_is_asked_again() -> None:
    pauses: list[float] = []
    with Receiver(500, 503, 200) as server:
        WebhookHook(server.url, pause=pauses.append).tell(ALERT)
    assert (len(server.got), len(pauses)) == (3, 2)


def test_a_webhook_gives_up_and_keeps_its_secret() -> None:
    with Receiver(500, 500, 500) as server, pytest.raises(HookFailed) as failed:
        WebhookHook(server.url, pause=lambda _s: None).tell(ALERT)
    assert str(failed.value) == "http://127.0.0.1: it answered 500"
    assert len(server.got) == 3
    with pytest.raises(HookFailed, match="refused"):
        WebhookHook(server.url, pause=lambda _s: None).tell(ALERT)


def test_a_refusal_is_final() -> None:
    with Receiver(404) as server, pytest.raises(HookFailed, match="404"):
        WebhookHook(server.url, pause=lambda _s: None).tell(ALERT)
    assert len(server.got) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "example.org/hook", "http://"])
def test_what_is_no_webhook(url: str) -> None:
    with pytest.raises(ConfigurationError, match="needs an http"):
        WebhookHook(url)


def test_apprise_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(ConfigurationError, match="not installed") as failed:
        AppriseHook("json://localhost")
    assert failed.value.hint == "pip install apprise"


def test_apprise_tells_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    class Apprise:
        sent: list[Any] = []  # noqa: RUF012  one for the test

        def add(self, url: str) -> bool:
            return url == "good://"

        def notify(self, *, title: str, body: str) -> bool:
            self.sent.append((title, body))
            return len(self.sent) == 1

    fake = type("module", (), {"Apprise": Apprise})
    monkeypatch.setitem(__import__("sys").modules, "apprise", fake)
    hook = AppriseHook("good://")
    hook.tell(ALERT)
    assert Apprise.sent == [("qctl: mail firing", ALERT.text)]
    with pytest.raises(HookFailed):
        hook.tell(ALERT)
    with pytest.raises(ConfigurationError):
        AppriseHook("bad://")
