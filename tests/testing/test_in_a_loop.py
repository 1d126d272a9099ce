"""The testing tools in async tests, whose own event loop is running."""

from __future__ import annotations

import asyncio
import threading
import unittest
from contextvars import ContextVar
from typing import Any

import pytest
from testing_jobs import Breaks, RunsOnALoop, SendSMSJob, call_later

from qcore import QueueManager
from qcore.testing import QueueFake, WorkerTester

WHO = ContextVar("WHO", default="nobody")


class WithUnittest(unittest.IsolatedAsyncioTestCase):
    async def test_a_fake_runs_async_jobs(self) -> None:
        with QueueFake() as fake:
            call_later.dispatch("ada")
            SendSMSJob.dispatch("1")
            assert fake.run() == 2


def test_a_fake_runs_async_jobs(queue_fake: QueueFake, ran: list[Any]) -> None:
    async def test() -> int:
        call_later.dispatch("ada")
        return queue_fake.run()

    assert (asyncio.run(test()), ran) == (1, ["ada"])


@pytest.mark.parametrize("url", ["memory://", "sqlite:///queue.db"])
def test_a_worker_runs_async_jobs(url: str, ran: list[Any]) -> None:
    async def test() -> int:
        call_later.dispatch("ada")
        SendSMSJob.dispatch("1")
        return WorkerTester().work().completed

    manager = QueueManager.open({"url": url})
    with manager.using():
        assert asyncio.run(test()) == 2
    manager.close()
    assert sorted(ran) == ["1", "ada"]


def test_one_job_runs_and_sees_the_context_of_the_test() -> None:
    async def test() -> tuple[Any, ...]:
        WHO.set("ada")
        tester = RunsOnALoop(WHO).with_fake_queue()
        said = tester.run()
        tester.assert_released(30)
        return said, asyncio.get_running_loop()

    (who, its_loop), loop = asyncio.run(test())
    assert who == "ada"
    assert its_loop is not loop
    assert its_loop.is_closed(), "nothing is left of the thread's own loop"
    assert not [one for one in threading.enumerate() if one.name.startswith("qcore-testing")]


def test_what_jobs_raise_the_test_gets(queue_fake: QueueFake) -> None:
    async def fakes() -> None:
        queue_fake.run()

    async def works() -> None:
        WorkerTester().work()

    async def tests() -> None:
        Breaks().with_fake_queue().run()

    Breaks.dispatch()
    Breaks.dispatch()
    for test in (works, fakes, tests):
        with pytest.raises(ValueError, match="broken"):
            asyncio.run(test())
        Breaks.dispatch()
