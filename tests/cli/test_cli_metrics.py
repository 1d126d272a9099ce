"""What was measured of jobs, as the command line and Prometheus see it."""

from __future__ import annotations

import csv
import http.client
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
import pytest
from fakes.store import needed
from prometheus_client.parser import text_string_to_metric_families
from servers import session
from shop import Schemas, Shop

pytestmark = pytest.mark.slow


def test_by_class_and_by_queue(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("metrics", "--json").json()
    schemas.check("metrics", answer)
    data = answer["data"]
    found = {one["name"]: (one["processed"], one["failed"]) for one in data["jobs"]}
    assert found == {"shop:Add": (1, 0), "shop:Boom": (0, 2)}
    assert {one["name"] for one in data["queues"]} == {"default", "mail"}
    assert data["totals"]["success_rate"] == pytest.approx(1 / 3)
    assert sum(data["totals"]["trend"]) == 3
    assert data["totals"]["runtime"]["p95_s"] > 0


def test_a_line_for_each(busy: Shop) -> None:
    table = busy.qctl("metrics", "--by", "queue", "-o", "table").out
    assert "the last 1 h 00 m: 3 jobs, 33.3% well" in table
    assert [line.split()[:3] for line in table.splitlines()[-2:]] == [["default", "1", "0"], ["mail", "0", "2"]]
    assert busy.qctl("queue:metrics", "-o", "name", "--queue", "mail").lines() == ["shop:Boom"]
    assert busy.qctl("metrics", "-o", "name", "--job", "Add").lines() == ["shop:Add"]


def test_every_line_fits_80_columns(busy: Shop) -> None:
    table = busy.qctl("metrics", "-o", "table", COLUMNS="80").out
    assert max(map(len, table.splitlines())) <= 80


def test_nothing_measured(shop: Shop) -> None:
    ended = shop.qctl("metrics", "--since", "2h")
    assert (ended.out, ended.err) == ("", "nothing ended in the last 2 h 00 m\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "worker"], "--by 'worker' is none of job, queue"),
        (["--since", "soon"], "'soon' is neither a duration"),
        (["--since", "0"], "longer than nothing"),
        (["--step", "0"], "longer than nothing"),
        (["--since", "2099-01-01"], "longer than nothing"),
    ],
)
def test_what_cannot_be_asked(shop: Shop, words: list[str], said: str) -> None:
    assert said in shop.qctl("metrics", *words, expect=2).err


@pytest.mark.parametrize(("flag", "name"), [("--queue", "no queue"), ("--job", "no job class")])
def test_what_is_not_there(busy: Shop, flag: str, name: str) -> None:
    assert f"{name} 'nope'" in busy.qctl("metrics", flag, "nope", expect=3).err
    known = {"--queue": "default", "--job": "Slow"}[flag]
    busy.qctl("metrics", flag, known)


@pytest.mark.parametrize("since", ["1h", "-1h", "2020-01-01T00:00Z"])
def test_how_far_back(busy: Shop, since: str) -> None:
    assert busy.data("metrics", "--since", since)["totals"]["processed"] == 1


def test_every_cell_is_a_value_of_its_own(busy: Shop) -> None:
    for fields in busy.qctl("metrics").fields():
        assert len(fields) == 9
        assert all(float(cell) >= 0 for cell in [*fields[1:8], *fields[8].split(",")])
    rows = list(csv.DictReader(busy.qctl("metrics", "-o", "csv").lines()))
    data = busy.data("metrics")["jobs"]
    assert [float(row["runtime.p95_s"]) for row in rows] == [one["runtime"]["p95_s"] for one in data]
    assert not any("{" in cell or "[" in cell for row in rows for cell in row.values())
    template = busy.qctl("metrics", "--format", "{name} {wait.p95_s}").lines()
    assert template == [f"{one['name']} {one['wait']['p95_s']}" for one in data]


def test_prometheus_is_told_of_a_store_that_is_down_and_so_is_the_caller(shop: Shop) -> None:
    ended = shop.qctl("metrics", "--prometheus", "--url", "redis://127.0.0.1:1", expect=4)
    assert 'qctl_store_up{connection="default"} 0.0' in ended.out
    assert ended.err == "error: the store does not answer: default\n"


def test_prometheus_reads_it(busy: Shop) -> None:
    text = busy.qctl("metrics", "--prometheus").out
    families = {family.name: family for family in text_string_to_metric_families(text)}
    done = {sample.labels["job"]: sample.value for sample in families["qctl_jobs_completed"].samples}
    failed = {sample.labels["job"]: sample.value for sample in families["qctl_jobs_failed"].samples}
    assert (done["shop:Add"], failed["shop:Boom"]) == (1, 2)
    buckets = [s for s in families["qctl_job_runtime_seconds"].samples if s.labels.get("le") == "+Inf"]
    assert sum(sample.value for sample in buckets) == 3
    waiting = {(s.labels["queue"], s.labels["state"]): s.value for s in families["qctl_queue_jobs"].samples}
    assert (waiting["default", "pending"], waiting["default", "delayed"], waiting["mail", "failed"]) == (1, 1, 2)
    assert [sample.value for sample in families["qctl_store_up"].samples] == [1]


@pytest.mark.parametrize("queues", [(), ("größe: 世界", 'quoted "\\n"')])
def test_promtool_finds_no_fault(busy: Shop, queues: tuple[str, ...]) -> None:
    with needed():
        (promtool,) = session.require_programs("promtool", "prometheus", "promtool")
    for queue in queues:
        busy.qctl("dispatch", "shop:Add", "[1]", "--queue", queue)
    text = busy.qctl("metrics", "--prometheus").out
    words = [promtool, "check", "metrics"]
    checked = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@contextmanager
def serving(shop: Shop, **env: str) -> Iterator[int]:
    """Serve the figures; gives the port."""
    child = shop.spawn("metrics:serve", "--addr", "127.0.0.1:0", **env)
    child.expect(r"serving http://127\.0\.0\.1:(\d+)/metrics")
    assert child.match is not None
    yield int(child.match.group(1))
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130


def _get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_scrape(busy: Shop) -> None:
    with serving(busy) as port:
        status, text = _get(port, "/metrics")
        assert status == 200
        families = {family.name for family in text_string_to_metric_families(text)}
        assert {"qctl_jobs_completed", "qctl_job_wait_seconds", "qctl_workers"} <= families
        assert _get(port, "/healthz") == (200, "alive\n")
        assert _get(port, "/readyz") == (200, "ready\n")
        assert _get(port, "/other")[0] == 404
        assert _get(port, "/metrics", "POST")[0] == 405


def test_a_store_that_is_down_is_told_as_down(shop: Shop) -> None:
    with serving(shop, QCTL_URL="redis://127.0.0.1:1") as port:
        status, text = _get(port, "/metrics")
        assert (status, 'qctl_store_up{connection="default"} 0.0' in text) == (200, True)
        assert _get(port, "/readyz")[0] == 503
        assert _get(port, "/healthz")[0] == 200


@pytest.mark.parametrize("addr", ["nowhere", "127.0.0.1:", "127.0.0.1:99999"])
def test_an_address_that_is_none(shop: Shop, addr: str) -> None:
    assert "is no address" in shop.qctl("metrics:serve", "--addr", addr, expect=2).err
