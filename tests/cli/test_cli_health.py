"""`qctl health`, `monitor` and `doctor`, as a script or a person calls them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pexpect
import pytest
from shop import Schemas, Shop, command

pytestmark = pytest.mark.slow

FAR = """
default = "near"

[connections.near]
driver = "database"
url = "sqlite:///queue.db"

[connections.far]
driver = "redis"
url = "redis://:hunter2@far/0"
"""
GONE = "redis://:hunter2@127.0.0.1:1/0"
QUIET = ("--check", "workers", "--check", "wait", "--check", "failed")
"""Checks whose outcome does not depend on the host."""


def verdicts(shop: Shop, *words: str, expect: int = 0) -> dict[str, str]:
    checks = shop.data("health", *words, expect=expect)["checks"]
    return {one["name"]: one["verdict"] for one in checks}


def test_all_is_well(shop: Shop, schemas: Schemas) -> None:
    shop.qctl("migrate")
    told = shop.qctl("health", "--json", *QUIET).json()
    schemas.check("health", told)
    assert told["data"]["verdict"] == "ok"
    assert [one["name"] for one in told["data"]["checks"]] == ["workers", "wait", "failed"]
    assert shop.qctl("queue:health", *QUIET).fields()[0][:3] == ["workers", "ok", "none is alive, and nothing is due"]


def test_jobs_that_nobody_serves_are_critical(shop: Shop) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]")
    assert verdicts(shop, "--check", "workers", expect=11) == {"workers": "critical"}
    page = shop.qctl("health", "--check", "workers", "-o", "table", expect=11).out
    assert "nobody serves default (1 waiting)" in page
    assert "→ qctl work --queue default" in page
    assert shop.qctl("health", "--check", "workers", "-o", "table", "--ascii", expect=11).out.isascii()


def test_thresholds_are_the_callers(busy: Shop) -> None:
    assert verdicts(busy, "--check", "failed") == {"failed": "ok"}
    assert verdicts(busy, "--check", "failed", "--max-failed", "1", expect=10) == {"failed": "degraded"}
    assert verdicts(busy, "--check", "wait", "--max-wait", "1h") == {"wait": "ok"}
    late = ("--check", "wait", "--max-wait", "1h", "--max-wait", "default=0.0001s")
    assert verdicts(busy, *late, expect=11) == {"wait": "critical"}


def test_looking_makes_no_tables_and_no_key(shop: Shop) -> None:
    shop.call("health")
    shop.qctl("doctor")
    found = {one["name"]: one["found"] for one in json.loads(shop.call("health", "--json").out)["data"]["checks"]}
    assert found["migrations"].startswith("there are no tables yet")
    assert not (shop.folder / "queue.db.key").exists()


def test_every_store_is_checked(store_url: str, shop: Shop, schemas: Schemas) -> None:
    shop.qctl("migrate", "--url", store_url)
    ended = shop.call("health", "--json", "--url", store_url)
    schemas.check("health", ended.json())
    checks = {one["name"]: one for one in ended.json()["data"]["checks"]}
    assert {"store", "workers", "stale", "wait", "failed", "clock", "key", "durability"} <= set(checks)
    assert ended.code == {"ok": 0, "degraded": 10, "critical": 11}[ended.json()["data"]["verdict"]]
    assert checks["store"]["verdict"] != "critical"
    assert checks["clock"]["verdict"] == "ok"
    told = shop.qctl("doctor", "--json", "--url", store_url).json()
    schemas.check("doctor", told)
    assert told["data"]["stores"][0]["facts"]["version"]


def test_a_store_that_is_not_there(shop: Shop, schemas: Schemas) -> None:
    told = shop.qctl("health", "--json", "--url", GONE, expect=4).json()
    schemas.check("health", told)
    assert {one["name"]: one["verdict"] for one in told["data"]["checks"]} == {"store": "critical", "key": "degraded"}
    assert verdicts(shop, "--check", "wait", "--url", GONE, expect=4) == {"store": "critical"}
    assert "hunter2" not in json.dumps(told)


def test_as_a_plugin_of_nagios(busy: Shop) -> None:
    fine = busy.qctl("health", "--nagios", "--check", "failed")
    assert fine.out == "QCTL OK - 1 check, all is well | 'failed_hour'=2\n"
    ended = busy.qctl("health", "--nagios", "--check", "failed", "--max-failed", "1", expect=1)
    assert ended.out == "QCTL WARNING - failed: more than 1 in the last hour | 'failed_hour'=2\n"
    assert busy.qctl("health", "--nagios", "--url", GONE, expect=2).out.startswith("QCTL CRITICAL - store: ")
    assert busy.qctl("health", "--nagios", "--check", "x", expect=3).out == "QCTL UNKNOWN - there is no check 'x'\n"
    assert busy.qctl("health", "--nagios", "-c", "nope", expect=3).out.startswith("QCTL UNKNOWN - no connection")


def test_wrong_usage(shop: Shop) -> None:
    assert shop.qctl("health", "--check", "wiat", expect=2).err.startswith(
        "error: there is no check 'wiat'\nhint: checks"
    )
    assert "no duration" in shop.qctl("health", "--max-wait", "mail=soon", expect=2).err
    assert "needs an http" in shop.qctl("monitor", "--webhook", "file:///x", expect=2).err


def test_watched_until_interrupted(shop: Shop) -> None:
    shop.qctl("migrate")
    child = shop.spawn("health", "--check", "workers", "--watch", "0.1s", "-o", "ndjson")
    for _ in range(2):
        child.expect("none is alive")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_old_tables_are_brought_up_to_date(shop: Shop, schemas: Schemas) -> None:
    (shop.folder / "qctl.toml").write_text('[connections.default]\nurl = "sqlite:///queue.db"\nauto_migrate = false\n')
    assert verdicts(shop, "--check", "migrations", expect=11) == {"migrations": "critical"}
    told = shop.qctl("health", "--fix", "--json", *QUIET, "--check", "migrations").json()
    schemas.check("health", told)
    checks = {one["name"]: one for one in told["data"]["checks"]}
    assert checks["migrations"]["verdict"] == "ok"
    assert checks["migrations"]["fixed"].startswith("brought the tables to revision 0")
    assert checks["workers"]["fixed"] == ""
    page = shop.qctl("health", "--fix", "-o", "table", *QUIET).out
    assert "fixed" not in page, "nothing is left to mend"
    for file in shop.folder.glob("queue.db*"):
        file.unlink()
    page = shop.qctl("health", "--fix", "-o", "table", "--check", "migrations").out
    assert "✓ fixed: brought the tables to revision 0" in page


def test_mending_is_refused_where_it_makes_no_sense(shop: Shop) -> None:
    assert "--fix and --watch exclude each other" in shop.qctl("health", "--fix", "--watch", "1s", expect=2).err
    assert "--fix and --nagios exclude each other" in shop.qctl("health", "--fix", "--nagios", expect=2).err
    assert "read-only" in shop.qctl("health", "--fix", expect=7, QCTL_READ_ONLY="true").err
    assert not (shop.folder / "queue.db").exists()


def test_monitor_looks_once(busy: Shop, schemas: Schemas) -> None:
    fields = busy.qctl("monitor", "--once", "--wait", "1h").fields()
    assert [row[:2] + row[3:] for row in fields] == [["default", "2", ""], ["mail", "0", ""], ["small", "0", ""]]
    told = busy.qctl("monitor", "--once", "--max", "1", "--wait", "1h", "--json", expect=20).json()
    schemas.check("monitor", told)
    [alert] = told["data"]["alerts"]
    assert (alert["queue"], alert["kind"], alert["state"], alert["value"]) == ("default", "size", "firing", 2)
    again = busy.qctl("queue:monitor", "--once", "--max", "1", "--wait", "1h", "--json", expect=20).json()
    assert again["data"]["alerts"] == []
    assert [one["over"] for one in again["data"]["queues"] if one["name"] == "default"] == [["size"]]


def test_monitor_tells_by_a_command_and_goes_on_where_one_fails(shop: Shop, tmp_path: Path) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]")
    hook = f"cat >> {tmp_path}/told; echo >> {tmp_path}/told"
    words = [
        "monitor",
        "--max",
        "0",
        "--wait",
        "1h",
        "--interval",
        "0.1",
        "-o",
        "ndjson",
        "--exec",
        "exit 7",
        "--exec",
        hook,
    ]
    with subprocess.Popen(
        [*command(), *words],
        cwd=shop.folder,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        first = json.loads(child.stdout.readline())
        shop.qctl("clear", "default", "--yes")
        second = json.loads(child.stdout.readline())
        said = [child.stderr.readline() for _ in range(2)]
        child.terminate()
    assert [first["state"], second["state"]] == ["firing", "over"]
    assert all("exit code 7" in line for line in said)
    facts: list[Any] = [json.loads(line) for line in (tmp_path / "told").read_text().split("\n")[:1]]
    assert (facts[0]["queue"], facts[0]["state"]) == ("default", "firing")


def test_an_alert_that_no_hook_told_is_told_by_the_next_look(busy: Shop) -> None:
    words = ["monitor", "--once", "--max", "1", "--wait", "1h"]
    ended = busy.qctl(*words, "--exec", "exit 3", expect=1)
    assert "error: 1 hook failed, of 1 call" in ended.err
    assert busy.qctl(*words, "--exec", "echo told >> hook.log", expect=20).fields()[0][3] == "size"
    busy.qctl(*words, "--exec", "echo told >> hook.log", expect=20)
    assert (busy.folder / "hook.log").read_text() == "told\n", "once"


def test_monitor_ends_badly_where_one_of_its_hooks_fails(busy: Shop) -> None:
    words = ["monitor", "--once", "--max", "1", "--wait", "1h", "--exec", "exit 3", "--exec", "echo told >> hook.log"]
    assert "error: 1 hook failed, of 2 calls" in busy.qctl(*words, expect=1).err
    busy.qctl(*words, expect=20)
    assert (busy.folder / "hook.log").read_text() == "told\n"


def test_monitor_of_what_is_not_there(busy: Shop) -> None:
    (busy.folder / "qctl.toml").write_text('[supervisors.mail]\nqueues = "reports"\n')
    assert busy.qctl("monitor", "--once", "--queue", "default,reports", "--wait", "1h").fields()[0][0] == "default"
    assert "no queue 'typo'" in busy.qctl("monitor", "--once", "--queue", "default,typo", expect=3).err
    assert "no queue 'typo'" in busy.qctl("monitor", "--queue", "typo", expect=3).err
    ended = busy.qctl("monitor", "--once", "--webhook", "ftp://x", expect=2)
    assert "--webhook: a webhook needs an http" in ended.err


def test_health_knows_its_queues(busy: Shop) -> None:
    assert "no queue 'typo'" in busy.qctl("health", "--max-wait", "typo=1s", expect=3).err
    ended = busy.qctl("health", "--nagios", "--max-wait", "typo=1s", expect=3)
    assert "UNKNOWN - no queue 'typo'" in ended.out
    assert busy.qctl("health", "--max-wait", "typo=1s", "--url", GONE, "-o", "table", expect=4).out.startswith(
        "✖ critical"
    )


@pytest.mark.parametrize("words", [["health"], ["doctor"]])
def test_no_line_is_longer_than_80(busy: Shop, words: list[str]) -> None:
    busy.environment["COLUMNS"] = "80"
    page = busy.call(*words, "-o", "table").out
    assert max(map(len, page.splitlines())) <= 80
    assert "CRITICAL" in page.upper()


def test_monitor_of_a_store_that_is_not_there(shop: Shop) -> None:
    assert "Connection refused" in shop.qctl("monitor", "--once", "--url", GONE, expect=4).err


def test_doctor_tells_what_a_report_needs_and_no_secret(busy: Shop, schemas: Schemas) -> None:
    (busy.folder / "qctl.toml").write_text(FAR)
    secret = "s3cret" * 8
    told = busy.qctl("doctor", "--json", QCTL_KEY=secret).json()
    schemas.check("doctor", told)
    data = told["data"]
    assert data["versions"]["qctl"]
    assert [(one["connection"], one["facts"]["product"]) for one in data["stores"]] == [("near", "SQLite")]
    assert {"name": "key", "value": "•••", "origin": "environment QCTL_KEY"} in data["settings"]
    page = busy.qctl("doctor", "-o", "table", QCTL_KEY=secret).out
    for heading in ("VERSIONS", "SYSTEM", "STORE NEAR", "SETTINGS", "HEALTH"):
        assert re.search(rf"^{heading}$", page, flags=re.MULTILINE), page
    plain = busy.qctl("doctor", QCTL_KEY=secret).out
    for text in (json.dumps(told), page, plain):
        assert "hunter2" not in text
        assert secret not in text


def test_doctor_of_a_store_that_is_not_there(shop: Shop) -> None:
    [store] = shop.data("doctor", "--url", GONE)["stores"]
    assert store["facts"] is None
    assert "refused" in store["trouble"]


@pytest.mark.parametrize("words", [["health"], ["health", "--nagios"], ["doctor"]])
def test_looking_makes_no_file(words: list[str], shop: Shop) -> None:
    told = shop.call(*words).out
    assert "--nagios" in words or "there are no tables yet; the first use makes them" in told
    assert not list(shop.folder.glob("queue.db*"))


def test_doctor_tells_of_a_setup_that_is_broken(shop: Shop, schemas: Schemas) -> None:
    (shop.folder / "qctl.toml").write_text("colour = 1")
    told = shop.qctl("doctor", "--json", expect=5).json()
    schemas.check("doctor", told)
    data = told["data"]
    assert data["versions"]["cryptography"]
    assert data["system"]["platform"]
    assert data["error"]["message"] == 'qctl.toml: unknown setting "colour"'
    assert (data["error"]["code"], data["error"]["exit"]) == ("configuration", 5)
    page = shop.qctl("doctor", "-o", "table", expect=5).out
    assert re.search(r"^ERROR\n  code +configuration\n", page, flags=re.MULTILINE), page


def test_doctor_tells_of_an_application_that_cannot_be_imported(shop: Shop) -> None:
    rows = shop.qctl("doctor", "--app", "nowhere", expect=5).fields()
    assert ["error", "message", "app 'nowhere': no module named 'nowhere'"] in rows


def test_doctor_tells_of_a_client_library_that_is_missing_and_of_the_rest(shop: Shop) -> None:
    (shop.folder / "psycopg.py").write_text("raise ModuleNotFoundError('No module named psycopg', name='psycopg')")
    (shop.folder / "qctl.toml").write_text(
        'default = "far"\n[connections.far]\ndriver = "database"\nurl = "postgresql://h/q"\n'
    )
    data = shop.data("doctor", expect=5)
    assert "psycopg" in data["error"]["message"] + data["error"]["hint"]
    assert {one["name"] for one in data["settings"]} >= {"default", "connections.far.url"}
