"""`qctl demo:load`: a system that lives."""

from __future__ import annotations

import json
import subprocess
import time

import psutil
import pytest
from shop import Schemas, Shop, command

pytestmark = pytest.mark.slow


def test_jobs_of_every_kind_are_dispatched(shop: Shop, schemas: Schemas) -> None:
    told = shop.qctl("demo:load", "--hosts", "0", "--jobs", "60", "--json").json()
    schemas.check("demo.load", told)
    assert told["data"]["hosts"] == []
    totals = shop.data("stats")["totals"]
    assert totals["pending"] + totals["delayed"] >= 60
    assert totals["delayed"] >= 6
    assert len(shop.data("batches")["batches"]) == 1
    assert {one["kind"] for one in shop.data("chains")["chains"]} == {"chain", "graph"}
    assert [queue["name"] for queue in shop.data("stats")["queues"] if queue["paused"]] == ["newsletter"]
    assert shop.data("locks")["locks"], "some jobs are unique"
    assert shop.data("limits")["limits"]


def test_hosts_work_until_it_ends(shop: Shop) -> None:
    words = ["demo:load", "--hosts", "2", "--jobs", "40", "--rate", "5", "--json"]
    with subprocess.Popen(
        [*command(), *words],
        cwd=shop.folder,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        deadline = time.monotonic() + 90
        while not (is_lively := {"web-1", "web-2"} == hosts(shop) and shop.count("completed") > 5):
            assert time.monotonic() < deadline
            assert demo.poll() is None, demo.stderr and demo.stderr.read()
        assert is_lively
        played = psutil.Process(demo.pid).children()
        assert len(played) == 2
        demo.terminate()
        out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert "Traceback" not in err
    assert json.loads(out)["data"]["hosts"] == ["web-1", "web-2"]
    assert not any(one.is_running() for one in played)


def hosts(shop: Shop) -> set[str]:
    return {str(worker["host"]) for worker in shop.data("workers")["workers"]}


def test_it_ends_after_a_while(shop: Shop) -> None:
    shop.qctl("demo:load", "--hosts", "1", "--jobs", "5", "--for", "1s")


def test_a_store_that_is_used_is_left_alone(busy: Shop) -> None:
    told = busy.qctl("demo:load", expect=6).err
    assert "holds queues that are no demo's" in told
    assert busy.count("failed") == 2
    busy.qctl("demo:load", expect=7, QCTL_READ_ONLY="1")
