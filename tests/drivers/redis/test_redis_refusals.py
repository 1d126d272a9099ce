"""What a server that refuses means for the jobs it holds, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from fakes.values import completed, envelope, envelopes, failed, released
from fakes.worker import FakeWorker
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as NoConnection

from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from qcore.drivers.redis.reasons import reason_of
from qcore.errors import ConfigurationError, ConnectionFailed

pytestmark = pytest.mark.server


def refusal(call: Any, *args: Any) -> ConnectionFailed:
    """What a verb is refused with, one line of it."""
    with pytest.raises(ConnectionFailed) as caught:
        call(*args)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith('connection "tests" (redis://')
    return caught.value


class TestOutOfMemory:
    @pytest.fixture(autouse=True)
    def full(self, own_driver: Any, own_client: Any) -> None:
        own_driver.push(envelopes(6))
        self.worker = FakeWorker(own_driver)
        self.leases = self.worker.reserve(5)
        own_client.config_set("maxmemory", "1")

    def test_a_push_stores_nothing(self, own_driver: Any) -> None:
        job = envelope()
        error = refusal(own_driver.push, [job])
        assert "out of memory" in error.message
        assert error.is_refusal
        assert not error.may_have_reached
        assert own_driver.find(job.id) is None
        assert own_driver.counts()[0].pending == 1

    def test_what_is_running_can_end_and_the_rest_be_reserved(self, own_driver: Any) -> None:
        one, two, three, four, five = self.leases
        assert self.worker.heartbeat([five], [five.id]) == {}
        follows = envelope(bypass_capacity=True)
        ends = [completed(one, result=b"1"), failed(two), released(three), completed(four, pushes=(follows,))]
        assert own_driver.settle(ends) == []
        (found,) = own_driver.counts()
        assert (found.completed, found.failed, found.retrying, found.pending) == (2, 1, 1, 2)
        assert len(self.worker.reserve(10)) == 3

    def test_an_operator_can_still_act(self, own_driver: Any) -> None:
        own_driver.cancel([self.leases[0].id])
        assert self.worker.heartbeat(self.leases) == {self.leases[0].id: False}
        assert own_driver.pause("default")
        assert own_driver.resume("default")
        assert own_driver.clear("default") == 1


def test_a_replica_takes_no_writes(own: Any, own_driver: Any, own_client: Any) -> None:
    own_driver.ping()
    own_client.execute_command("REPLICAOF", "127.0.0.1", own.port)  # of itself: it never finds a master
    error = refusal(own_driver.push, [envelope()])
    assert "replica" in error.message
    assert not error.may_have_reached


def test_a_password_is_wanted(own: Any, own_client: Any) -> None:
    own_client.config_set("requirepass", "secret")
    for url in (own.url, own.url.replace("//", "//:wrong@")):
        driver = open_store(ConnectionSettings(name="tests", driver="redis", url=url))
        error = refusal(driver.ping)
        assert "password" in error.message
        assert "wrong" not in error.message
        assert error.is_refusal


def test_a_server_that_does_not_answer(own_driver: Any, own_client: Any) -> None:
    own_driver.ping()
    own_client.execute_command("CLIENT", "PAUSE", "1500", "ALL")
    error = refusal(own_driver.push, [envelope()])
    assert error.may_have_reached
    assert not error.is_refusal


def test_nobody_there() -> None:
    driver = open_store(ConnectionSettings(name="tests", driver="redis", url="redis://u:secret@127.0.0.1:1/0"))
    error = refusal(driver.push, [envelope()])
    assert "(redis://u:•••@127.0.0.1:1/0)" in error.message
    assert not error.may_have_reached
    assert not error.is_refusal


@pytest.mark.parametrize(
    ("error", "text", "is_refusal"),
    [
        (BusyLoadingError("Redis is loading the dataset in memory"), "loading", False),
        (ResponseError("BUSY Redis is busy running a script"), "busy", False),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots"), "disk", True),
        (ResponseError("Error running script: @user_script: 29: -OOM command not allowed"), "out of memory", True),
        (ResponseError("NOPERM this user has no permissions"), "may not run", True),
        (ResponseError("a BUSY word, and a\n second line"), "a BUSY word, and a second line", True),
        (NoConnection("Connection closed by server."), "closed", False),
        (OSError(), "OSError", False),
    ],
)
def test_reasons(error: Exception, text: str, is_refusal: bool) -> None:
    reason = reason_of(error)
    assert text in reason.text
    assert reason.is_refusal == is_refusal


@pytest.mark.parametrize("url", ["", "redis://host:port", "redis://host?colour=red"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(ConnectionSettings(name="tests", driver="redis", url=url))
    assert "redis://host:port/db" in caught.value.hint


def test_no_transaction(driver: Any) -> None:
    for verb in (driver.push, driver.settle):
        with pytest.raises(ConfigurationError, match="only database connections"):
            verb([], within=object())


class TestConnections:
    def test_one_that_the_server_closed_is_replaced(self, own_driver: Any, own_client: Any) -> None:
        own_driver.push([envelope()])
        own_client.client_kill_filter(_type="normal", skipme=True)
        own_driver.push([envelope()])
        assert own_driver.counts()[0].pending == 2

    def test_scripts_that_the_server_forgot_are_taught_again(self, driver: Any, client: Any) -> None:
        driver.push([envelope()])
        client.script_flush()
        driver.push([envelope()])
        client.script_flush()
        assert len(FakeWorker(driver).reserve(2)) == 2

    def test_after_close_it_opens_anew(self, driver: Any) -> None:
        driver.push([envelope()])
        driver.close()
        driver.push([envelope()])
        driver.wake()
        assert driver.wait(["default"], 0.0)

    def test_threads_share_a_driver(self, driver: Any) -> None:
        def work() -> None:
            for _ in range(50):
                driver.push([envelope()])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert driver.counts()[0].pending == 400

    def test_a_forked_process_has_connections_of_its_own(self, store: Any) -> None:
        program = """
import os, sys
from qcore.config import ConnectionSettings
from qcore.drivers import open_store
from qcore.envelope import Envelope
driver = open_store(ConnectionSettings(name="fork", driver="redis", url=sys.argv[1]))
driver.push([Envelope(id="before", job="m:J", queue="default", payload=b"")])
driver.wait(["none"], 0.0)
children = []
for n in range(4):
    pid = os.fork()
    if pid == 0:
        for k in range(50):
            driver.push([Envelope(id=f"{n}-{k}", job="m:J", queue="default", payload=b"")])
        driver.wake()
        os._exit(0 if driver.wait(["none"], 30.0) is False else 1)
    children.append(pid)
for k in range(50):
    driver.push([Envelope(id=f"parent-{k}", job="m:J", queue="default", payload=b"")])
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
sys.exit(any(codes) or driver.counts()[0].pending != 251)
"""
        run = subprocess.run([sys.executable, "-W", "error", "-c", program, store.url], check=False, timeout=60)
        assert run.returncode == 0
