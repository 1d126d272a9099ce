"""The worker as a process: its lines of JSON, its flags, its signals and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from shop import Schemas, Shop, command

pytestmark = pytest.mark.slow


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@contextmanager
def running(shop: Shop, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that runs for the time of a block."""
    child = subprocess.Popen(
        [*command(), "work", *words],
        cwd=shop.folder,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def began(fifo: Path) -> None:
    """Wait until the slow job says that it runs."""
    assert fifo.read_text() == "began"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_each_job_is_a_line_of_json(busy: Shop, schemas: Schemas) -> None:
    busy.qctl("retry", "all")
    told = events(busy.qctl("work", "--queue", "mail,default", "--tries", "1", "--stop-when-empty").out)
    for event in told:
        schemas.check("work", event)
    assert [event["event"] for event in told] == ["started", "ended", "ended", "ended", "stopped"]
    assert told[0]["queues"] == ["mail", "default"]
    assert [event["outcome"] for event in told[1:4]] == ["failed", "failed", "completed"]
    assert told[1]["error"] == "ValueError: no \x1b[31mink"
    assert (told[-1]["reason"], told[-1]["attempts"]) == ("empty", 3)


def test_verbose_tells_of_beginnings(busy: Shop, schemas: Schemas) -> None:
    told = events(busy.qctl("work", "--stop-when-empty", "-v").out)
    for event in told:
        schemas.check("work", event)
    assert [event["event"] for event in told] == ["started", "running", "ended", "stopped"]


def test_quiet_tells_nothing(busy: Shop) -> None:
    ended = busy.qctl("work", "--stop-when-empty", "--quiet")
    assert (ended.out, ended.err) == ("", "")
    assert busy.count("completed") == 2


def test_pretty_lines_without_a_terminal(busy: Shop) -> None:
    ended = busy.qctl("work", "--stop-when-empty", "--log", "pretty")
    [line] = ended.lines()
    assert line.split()[1] == "DONE"
    assert "\x1b" not in line


def test_a_retry_says_when(busy: Shop) -> None:
    busy.qctl("retry", "all")
    words = ["--queue", "mail", "--tries", "2", "--backoff", "5m", "--max-jobs", "1"]
    told = events(busy.qctl("work", *words).out)
    assert (told[1]["outcome"], told[1]["delay_s"]) == ("released", 300.0)
    assert told[-1]["reason"] == "max_jobs"


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["--once"], "once"), (["--max-jobs", "1"], "max_jobs"), (["--max-time", "10ms", "--sleep", "10ms"], "max_time")],
)
def test_a_worker_that_did_enough_exits_with_0(words: list[str], reason: str, busy: Shop) -> None:
    assert events(busy.qctl("work", *words).out)[-1]["reason"] == reason


def test_once_without_a_job_ends_too(shop: Shop) -> None:
    assert events(shop.qctl("work", "--once").out)[-1]["attempts"] == 0


def test_too_much_memory_is_12(busy: Shop) -> None:
    told = events(busy.qctl("work", "--memory", "1", "--in-process", expect=12).out)
    assert told[-1]["reason"] == "memory"


def test_every_flag_is_taken(busy: Shop) -> None:
    words = (
        "--queue high,default --connection default --url sqlite:///queue.db --app shop --tries 3 --timeout 60"
        " --backoff 5,30,2m --sleep 1 --rest 0 --memory 4096 --max-jobs 10 --max-time 1h --stop-when-empty"
        " --name one --grant a,b --fair --processes 2 --threads 2 --memory-hard 8192 --grace 5s --quiet -v"
    )
    busy.qctl("queue:work", *words.split())
    assert busy.count("completed") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_job_end(number: signal.Signals, shop: Shop, fifo: Path) -> None:
    shop.qctl("dispatch", "shop:Slow", json.dumps([str(fifo)]))
    shop.qctl("dispatch", "shop:Add", "[1]")
    with running(shop) as child:
        began(fifo)
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    told = events(out)
    assert [event.get("outcome") for event in told] == [None, "completed", None]
    assert told[-1]["reason"] == "signal"
    assert shop.data("stats")["totals"] | {} == {
        "pending": 1, "delayed": 0, "processing": 0, "retrying": 0, "completed": 1, "failed": 0, "cancelled": 0,
    }  # fmt: skip


def test_a_worker_waits_for_queues_that_nobody_used_yet(shop: Shop) -> None:
    with running(shop, "--queue", "later", "--max-jobs", "1") as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["event"] == "started"
        shop.qctl("dispatch", "shop:Add", "[1]", "--queue", "later")
        out, _ = child.communicate(timeout=30)
    assert events(out)[0]["outcome"] == "completed"
