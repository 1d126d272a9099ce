"""Workers seen and told from another process: list, pause, restart, terminate, and balanced pools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from shop import Schemas, Shop, command

pytestmark = pytest.mark.slow

Workers = list[dict[str, Any]]


@contextmanager
def running(shop: Shop, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor that runs for the time of a block."""
    child = subprocess.Popen(
        [*command(), *words, "--quiet"], cwd=shop.folder, env=shop.environment, stdin=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def workers(shop: Shop, fits: Callable[[Workers], Any] = bool) -> Workers:
    """The workers listed, once the list is as it should be."""
    until = time.monotonic() + 20
    while not fits(listed := shop.data("workers")["workers"]):
        assert time.monotonic() < until, listed
    return list(listed)


def states(shop: Shop, *wanted: str) -> Workers:
    return workers(shop, lambda listed: [one["state"] for one in listed] == list(wanted))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_nobody_works(shop: Shop, schemas: Schemas) -> None:
    schemas.check("workers", shop.qctl("workers", "--json").json())
    ended = shop.qctl("workers")
    assert (ended.out, ended.err) == ("", "no workers: qctl work starts one\n")


def test_workers_are_listed_with_what_they_do(shop: Shop, schemas: Schemas, fifo: Path) -> None:
    job_id = shop.qctl("dispatch", "shop:Slow", json.dumps([str(fifo), 8])).out.strip()
    with running(shop, "work", "--queue", "default,mail", "--threads", "2") as child:
        assert fifo.read_text() == "began"
        [worker] = workers(shop, lambda listed: listed and listed[0]["running"])
        assert (worker["state"], worker["places"], worker["queues"]) == ("running", 2, ["default", "mail"])
        assert worker["supervisor"].split(":")[1] == str(child.pid)
        assert worker["id"].startswith(worker["address"])
        [job] = worker["running"]
        assert (job["id"], job["job"], job["queue"], job["attempt"]) == (job_id, "shop:Slow", "default", 1)
        assert worker["rss_bytes"] > 10**7
        schemas.check("workers", shop.qctl("workers", "--json").json())
        [line] = shop.qctl("workers", "-o", "ndjson").lines()
        schemas.check("worker", {key: value for key, value in json.loads(line).items() if key != "schema"})
        assert shop.qctl("workers", "-o", "name").lines() == [worker["id"]]
        [fields] = shop.qctl("workers").fields()
        assert fields[:4] == [worker["id"], worker["address"], "running", "default,mail"]
        table = shop.qctl("workers", "-o", "table").lines()
        titles = ["WORKER", "HOST:PID", "STATE", "QUEUES", "JOB", "BUSY", "RSS", "CPU", "JOBS", "HEARTBEAT"]
        assert table[0].split() == titles
        assert table[2].split()[0] == worker["id"].rpartition(":")[2]
        assert "Slow" in table[2]
        assert {one["name"]: one["workers"] for one in shop.data("stats")["queues"]} == {"default": 1, "small": 0}


def test_a_worker_that_is_paused_from_elsewhere_takes_no_job(shop: Shop, schemas: Schemas) -> None:
    with running(shop, "work"):
        [worker] = workers(shop)
        told = shop.qctl("pause", "--worker", worker["id"], "--json").json()
        schemas.check("command", told)
        assert told["data"] == {"command": "pause", "addresses": [worker["id"]], "workers": [worker["id"]]}
        states(shop, "paused")
        shop.qctl("dispatch", "shop:Add", "[1]")
        time.sleep(0.5)
        assert (shop.count("pending"), shop.count("processing")) == (1, 0)
        shop.qctl("continue", "--worker", worker["id"].rpartition(":")[2])
        assert shop.qctl("dispatch", "shop:Add", "[1]", "--wait").out
        assert shop.count("completed") == 2


def test_all_are_paused_and_go_on_as_in_horizon(shop: Shop) -> None:
    with running(shop, "work", "--processes", "2"), running(shop, "work"):
        workers(shop, lambda listed: len(listed) == 3)
        shop.qctl("horizon:pause")
        states(shop, "paused", "paused", "paused")
        shop.qctl("horizon:continue")
        states(shop, "running", "running", "running")


def test_terminate_ends_a_worker_after_its_job(shop: Shop, schemas: Schemas, fifo: Path) -> None:
    job_id = shop.qctl("dispatch", "shop:Slow", json.dumps([str(fifo), 1.5])).out.strip()
    with running(shop, "work", "--processes", "2") as child:
        assert fifo.read_text() == "began"
        both = workers(shop, lambda listed: len(listed) == 2 and any(one["running"] for one in listed))
        [busy] = [one["id"] for one in both if one["running"]]
        schemas.check("command", shop.qctl("terminate", busy, "--json").json())
        [left] = workers(shop, lambda listed: len(listed) == 1)
        assert left["id"] != busy
        assert shop.data("show", job_id)["state"] == "completed"
        assert child.poll() is None
        shop.qctl("terminate", left["id"])
        assert child.wait(timeout=20) == 0
    assert shop.data("workers")["workers"] == []


def test_a_supervisor_is_told_by_its_own_id_and_all_by_a_flag(shop: Shop) -> None:
    with running(shop, "work", "--processes", "2") as first, running(shop, "work") as second:
        three = workers(shop, lambda listed: len(listed) == 3)
        [supervisor] = {one["supervisor"] for one in three if f":{first.pid}:" in one["supervisor"]}
        assert len(shop.qctl("terminate", supervisor, "--json").json()["data"]["workers"]) == 2
        assert first.wait(timeout=20) == 0
        assert second.poll() is None
        assert shop.qctl("terminate", "--all").out == "told all workers: terminate\n"
        assert second.wait(timeout=20) == 0
    assert shop.qctl("restart").out == "there are no workers\n"


@pytest.mark.parametrize("stderr", ["/dev/full", "&-"], ids=["full", "closed"])
def test_who_cannot_say_anything_serves_all_the_same(shop: Shop, stderr: str) -> None:
    words = ["sh", "-c", f'exec "$@" 2>{stderr}', "sh", *command(), "work"]
    child = subprocess.Popen(words, cwd=shop.folder, env=shop.environment, stdin=subprocess.DEVNULL)
    try:
        [first] = workers(shop)
        os.kill(first["pid"], signal.SIGKILL)
        [second] = workers(shop, lambda listed: len(listed) == 1 and listed[0]["pid"] != first["pid"])
        child.send_signal(signal.SIGHUP)
        workers(shop, lambda listed: len(listed) == 1 and listed[0]["pid"] != second["pid"])
        assert shop.qctl("dispatch", "shop:Add", "[1]", "--wait").out
        child.terminate()
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.wait()


def test_a_supervisor_has_a_process_more_or_less(shop: Shop, schemas: Schemas) -> None:
    with running(shop, "work"):
        [first] = workers(shop)
        schemas.check("command", shop.qctl("scale", first["id"], "--more", "--json").json())
        assert {one["supervisor"] for one in workers(shop, lambda listed: len(listed) == 2)} == {first["supervisor"]}
        shop.qctl("scale", first["supervisor"], "--fewer")
        workers(shop, lambda listed: len(listed) == 1)


def test_a_worker_tells_where_its_code_is(shop: Shop, schemas: Schemas, fifo: Path) -> None:
    job_id = shop.qctl("dispatch", "shop:Slow", json.dumps([str(fifo), 60])).out.strip()
    with running(shop, "work", "--processes", "2"):
        assert fifo.read_text() == "began"
        both = workers(shop, lambda listed: len(listed) == 2 and any(one["running"] for one in listed))
        [busy] = [one for one in both if one["running"]]
        told = shop.qctl("stack", job_id, "--json").json()
        schemas.check("stack", told)
        assert told["data"]["worker"] == busy["id"]
        assert [one["id"] for one in told["data"]["running"]] == [job_id]
        lines = shop.qctl("stack", busy["address"]).lines()
        assert lines[0].startswith(f"{busy['id']}: Slow {job_id} for ")
        assert any(line.endswith(" in handle") and "shop.py" in line for line in lines)
        ended = shop.qctl("stack", busy["supervisor"], expect=2)
        assert ended.err.startswith(f"error: {busy['supervisor']} has 2 workers\nhint: name one: ")
        os.kill(busy["pid"], signal.SIGSTOP)
        ended = shop.qctl("stack", busy["id"], "--wait", "0.2s", expect=1)
        assert ended.err.startswith(f"error: worker {busy['id']} told nothing in 0.2 s\n")
        os.kill(busy["pid"], signal.SIGCONT)


def test_restart_brings_a_new_worker(shop: Shop, fifo: Path) -> None:
    with running(shop, "work") as child:
        [before] = workers(shop)
        shop.qctl("restart", before["id"])
        [after] = workers(shop, lambda listed: len(listed) == 1 and listed[0]["id"] != before["id"])
        assert after["supervisor"] == before["supervisor"]
        code = (shop.folder / "shop.py").read_text()
        (shop.folder / "shop.py").write_text(code.replace("return self.a + self.b", "return 'by new code'"))
        shop.qctl("queue:restart")
        [last] = workers(shop, lambda listed: len(listed) == 1 and listed[0]["id"] != after["id"])
        assert last["supervisor"] == before["supervisor"]
        job_id = shop.qctl("dispatch", "shop:Add", "[1]", "--wait").out.split()[0]
        assert shop.data("show", job_id)["result"] == "by new code"
        assert child.poll() is None


@pytest.mark.parametrize(
    "words",
    [
        ["terminate", "nobody"],
        ["restart", "nobody"],
        ["scale", "--more", "nobody"],
        ["stack", "nobody"],
        ["pause", "--worker", "nobody"],
        ["resume", "--worker", "x:1"],
    ],
)
def test_an_unknown_worker_is_3(words: list[str], shop: Shop, schemas: Schemas) -> None:
    ended = shop.qctl(*words, "--json", expect=3)
    schemas.check("error", ended.json())
    assert ended.err == f"error: no worker {words[-1]!r}\nhint: no worker reports here\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["terminate"], "name workers, or --all"),
        (["terminate", "--all", "one"], "name workers, or --all"),
        (["restart", "--all", "one"], "name workers, or --all, not both"),
        (["scale", "one"], "say --more or --fewer"),
        (["scale", "one", "--more", "--fewer"], "say --more or --fewer"),
        (["pause"], "name a queue, or a --worker"),
        (["pause", "mail", "--worker", "one"], "name a queue, or a --worker"),
        (["pause", "--worker", "one", "--for", "5m"], "--for and --reason are for queues"),
        (["resume"], "name a queue, or a --worker"),
        (["work", "--in-process", "--reload"], "--reload needs a supervisor"),
        (["work", "--threads", "2", "--async", "2"], "--threads and --async exclude each other"),
        (["work", "--processes", "none"], "--processes: 'none' is no number of processes"),
    ],
)
def test_words_that_contradict_each_other(words: list[str], message: str, shop: Shop) -> None:
    assert shop.qctl(*words, expect=2).err.splitlines()[0] == f"error: {message}"


def test_there_is_nothing_to_watch(shop: Shop) -> None:
    pytest.importorskip("watchfiles")
    assert shop.qctl("work", "--reload", "nowhere", expect=5).err.startswith(
        "error: there is nothing to watch at 'nowhere'"
    )


def test_what_watches_is_not_installed(shop: Shop) -> None:
    (shop.folder / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
    path = os.pathsep.join([str(shop.folder), shop.environment["PYTHONPATH"]])
    ended = shop.qctl("work", "--reload", expect=5, PYTHONPATH=path)
    assert ended.err == (
        "error: reloading on changes needs the package \"watchfiles\"\nhint: install it with: pip install 'qctl[dev]'\n"
    )


# -- balanced pools ------------------------------------------------------------------------------------------------

POOL = """
[supervisors.main]
queues = "high,low"
max_processes = 4
balance_cooldown = "300ms"
max_jobs = 20

[supervisors.rest]
queues = "a,b"
balance = "off"
max_processes = 2
"""


NAP = """

class Nap(Job):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def handle(self) -> None:
        time.sleep(self.seconds)
"""


def served(listed: Workers) -> dict[str, int]:
    """How many workers serve each list of queues."""
    names = [",".join(one["queues"]) for one in listed if one["state"] == "running"]
    return {name: names.count(name) for name in sorted(set(names))}


def test_processes_move_to_the_queue_that_has_work_and_back(shop: Shop) -> None:
    (shop.folder / "qctl.toml").write_text(POOL)
    with (shop.folder / "shop.py").open("a") as module:
        module.write(NAP)
    with running(shop, "supervise") as child:
        workers(shop, lambda listed: served(listed) == {"a,b": 1, "high": 1, "low": 1})
        shop.python(
            "import shop; from qcore import dispatch_many;"
            "dispatch_many([shop.Nap(0.2).on_queue('low') for _ in range(120)])"
        )
        grown = workers(shop, lambda listed: served(listed).get("low") == 3)
        assert served(grown) == {"a,b": 1, "high": 1, "low": 3}
        workers(shop, lambda listed: served(listed) == {"a,b": 1, "high": 1, "low": 1} and shop.count("pending") == 0)
        assert shop.count("completed") == 120
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0
    assert shop.data("workers")["workers"] == []


def test_only_the_pools_that_are_named_run(shop: Shop) -> None:
    (shop.folder / "qctl.toml").write_text(POOL)
    with running(shop, "horizon", "rest"):
        assert [one["queues"] for one in workers(shop)] == [["a", "b"]]


def test_a_worker_of_a_pool_that_was_terminated_has_a_successor(shop: Shop) -> None:
    (shop.folder / "qctl.toml").write_text(POOL)
    with running(shop, "supervise", "rest"):
        [before] = workers(shop)
        shop.qctl("terminate", before["id"])
        workers(shop, lambda listed: [one["id"] for one in listed] not in ([], [before["id"]]))


def test_pools_that_cannot_be_run(shop: Shop) -> None:
    assert shop.qctl("supervise", expect=5).err.startswith("error: no supervisor is configured\nhint: write [super")
    (shop.folder / "qctl.toml").write_text(POOL)
    assert shop.qctl("supervise", "mian", expect=3).err == "error: no supervisor 'mian'\nhint: there are: main, rest\n"
    (shop.folder / "qctl.toml").write_text(POOL.replace("max_processes = 4", "max_processes = 1"))
    assert shop.qctl("supervise", expect=5).err == (
        "error: qctl.toml: supervisors.main: max_processes is 1, but its 2 queues need at least 2\n"
        "hint: write max_processes = 2 or more\n"
    )
