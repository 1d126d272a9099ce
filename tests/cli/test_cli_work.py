"""The worker as a process: its lines of JSON, its flags, its signals and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
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


OUT_OF_BOUNDS = [
    (["--queue", ","], "--queue names no queue", "leave --queue out"),
    (["--queue", ""], "--queue names no queue", "leave --queue out"),
    (["--grant", " , "], "--grant names no permission", "leave --grant out"),
    (["--memory", "nan"], "--memory: nan is no number", "write megabytes"),
    (["--memory", "inf"], "--memory: inf is no number", "write megabytes"),
    (["--memory", "1e999"], "--memory: inf is no number", "write megabytes"),
    (["--memory", "-5"], "invalid value for '--memory': -5.0 is not in the range x>=1", "qctl work --help"),
    (["--memory-hard", "nan"], "invalid value for '--memory-hard': 'nan' is not a valid int", "qctl work --help"),
    (["--memory-hard", "-5"], "invalid value for '--memory-hard': -5 is not in the range x>=1", "qctl work --help"),
    (["--tries", "-1"], "invalid value for '--tries': -1 is not in the range x>=0", "qctl work --help"),
    (["--max-jobs", "0"], "invalid value for '--max-jobs': 0 is not in the range x>=1", "qctl work --help"),
    (["--max-time", "0"], "--max-time: no time at all is no work", "leave it out"),
    (["--timeout", "nan"], "--timeout: 'nan' is no duration", ""),
    (["--timeout", "-1"], "--timeout: '-1' is no duration", ""),
    (["--rest", "inf"], "--rest: 'inf' is no duration", ""),
    (["--grace", "-1s"], "--grace: '-1s' is no duration", ""),
    (["--sleep", "0"], "--sleep: 0.0 is below 0.01", "10ms or more"),
    (["--backoff", "5,-1"], "--backoff: '-1' is no duration", ""),
    (["--processes", "0"], "--processes: '0' is no number of processes", "write a number from 1 up"),
    (["--processes", "1025"], "--processes: 1,025 is above 1,024", "from 1 to 1,024: more than any host carries"),
    (["--processes", "9" * 5000], "--processes: '999", "write a number from 1 up"),
    (["--threads", "1025"], "--threads: 1,025 is above 1,024", "from 1 to 1,024: more only wait for each other"),
    (["--async", "10001"], "--async: 10,001 is above 10,000", "from 1 to 10,000: the supervisor looks at each"),
    (["--name", "a b"], "--name: 'a b' is no name", "1 to 32 letters"),
    (["--name", "a:b"], "--name: 'a:b' is no name", "1 to 32 letters"),
    (["--name", "-a"], "--name: '-a' is no name", "1 to 32 letters"),
    (["--name", "x" * 33], f"--name: {'x' * 33!r} is no name", "1 to 32 letters"),
]


@pytest.mark.parametrize(("words", "message", "hint"), OUT_OF_BOUNDS, ids=lambda value: " ".join(value)[:30])
def test_what_is_out_of_bounds_is_refused(words: list[str], message: str, hint: str, shop: Shop) -> None:
    first, *rest = shop.qctl("work", *words, expect=2).err.splitlines()
    assert first.startswith(f"error: {message}")
    assert [line.removeprefix("hint: ").startswith(hint) for line in rest] == [True] * bool(hint)
    assert not (shop.folder / "queue.db").exists()


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("[worker]\nthreads = 5000\n", ["work"], "a worker's threads: 5,000 is above 1,024"),
        ("[worker]\nthreads = 0\n", ["work"], "a worker's threads: 0 is below 1"),
        ("[worker]\nsleep = 0\n", ["work"], "a worker's sleep: 0.0 is below 0.01"),
        ('[worker]\nprocesses = "20000"\n', ["work"], "a worker's processes: 20,000 is above 1,024"),
        ("[worker]\nasync = 10000\n", ["work", "-p", "11"], "11 processes with 10,000 jobs at a time each are above"),
        ('[worker]\nname = "a b"\n', ["work"], "a worker's name: 'a b' is no name"),
        ("[worker]\nqueue = []\n", ["work"], "a worker's queues: () names no queue"),
        (
            '[supervisors.one]\nqueues = "a"\nmax_processes = 2000\n',
            ["supervise"],
            "supervisors.one.max_processes: 2,000 is above 1,024",
        ),
        (
            '[supervisors.one]\nqueues = "a"\nthreads = 2000\n',
            ["supervise"],
            "supervisors.one.threads: 2,000 is above 1,024",
        ),
    ],
)
def test_a_configuration_that_is_out_of_bounds_is_refused(
    text: str, words: list[str], message: str, shop: Shop
) -> None:
    (shop.folder / "qctl.toml").write_text(text)
    ended = shop.qctl(*words, expect=5)
    assert ended.err.startswith(f"error: {message}")
    assert "\nhint: " in ended.err


def test_a_worker_and_its_supervisor_have_the_name(shop: Shop) -> None:
    with running(shop, "--name", "mail-1.x") as child:
        assert child.stdout is not None
        worker = json.loads(child.stdout.readline())["worker"]
        assert worker.split(":")[2].rpartition("-")[0] == "mail-1.x"
        until = time.monotonic() + 20
        while not (listed := shop.data("workers")["workers"]):
            assert time.monotonic() < until
        assert listed[0]["id"] == worker
        assert f":{child.pid}:mail-1.x-" in listed[0]["supervisor"]
        assert worker.split(":")[2] in shop.qctl("workers").out
        shop.qctl("terminate", worker.split(":")[2])
        assert child.wait(timeout=20) == 0


@pytest.mark.parametrize("kind", [["--threads", "2"], ["--async", "2"], ["--in-process", "--threads", "2"]])
def test_quit_does_not_wait_for_what_sleeps(kind: list[str], shop: Shop, fifo: Path) -> None:
    job_id = shop.qctl("dispatch", "shop:Slow", json.dumps([str(fifo), 60])).out.strip()
    with running(shop, *kind) as child:
        began(fifo)
        child.send_signal(signal.SIGQUIT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    assert [event["event"] for event in events(out)] == ["started", "ended", "stopped"], "no supervisor had to kill it"
    job = shop.data("show", job_id)
    assert (job["state"], job["attempts"]) == ("pending", 0)


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
