"""The commands that read: stats, jobs, failed, show, config, version, migrate, key:generate."""

from __future__ import annotations

import base64
import re
import stat

import pexpect
import pytest
from shop import Schemas, Shop

from qctl.commands.jobs import VIEWS

pytestmark = pytest.mark.slow

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_stats_counts_by_queue_and_state(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("stats", "--json").json()
    schemas.check("stats", answer)
    queues = {queue["name"]: queue for queue in answer["data"]["queues"]}
    assert {name: queues["default"][name] for name in ("pending", "delayed", "completed", "failed")} == {
        "pending": 1, "delayed": 1, "completed": 1, "failed": 0,
    }  # fmt: skip
    assert queues["mail"]["failed"] == 2
    assert queues["small"]["max_jobs"] == 1
    assert answer["data"]["totals"]["failed"] == 2
    assert answer["backend"]["driver"] == "database"
    assert answer["backend"]["latency_ms"] >= 0


def test_stats_of_some_queues(busy: Shop) -> None:
    for words in (["mail"], ["--queue", "mail"], ["--queue=mail"]):
        assert [queue["name"] for queue in busy.data("stats", *words)["queues"]] == ["mail"]
    several = busy.data("stats", "mail,default")
    assert {queue["name"] for queue in several["queues"]} == {"mail", "default"}


def test_stats_in_lines(busy: Shop, schemas: Schemas) -> None:
    assert ["default", "false", "1", "1", "0", "0", "1", "0"] in [row[:8] for row in busy.qctl("stats").fields()]
    assert busy.qctl("stats", "-o", "name").lines() == ["default", "mail", "small"]
    assert busy.qctl("stats", "mail", "--format", "{name}={failed}").out == "mail=2\n"


def test_stats_fails_over_a_bound(busy: Shop) -> None:
    ended = busy.qctl("stats", "--fail-over", "pending=0,failed=1", "--quiet", expect=20)
    assert ended.err == "default: pending is 1, above 0\nmail: failed is 2, above 1\n"
    assert len(ended.fields()) == 3
    assert busy.qctl("stats", "--fail-over", "pending=1,failed=2,wait=1h").err == ""
    assert "wait is" in busy.qctl("stats", "default", "--fail-over", "wait=0s", expect=20).err


@pytest.mark.parametrize("bound", ["pending", "pending=many", "completed=1", "wait=soon"])
def test_a_bound_that_is_none(busy: Shop, bound: str) -> None:
    assert "--fail-over" in busy.qctl("stats", "--fail-over", bound, expect=2).err


def test_stats_are_looked_at_again(busy: Shop) -> None:
    child = busy.spawn("stats", "--watch", "0.1", "-o", "ndjson")
    for _ in range(3):
        child.expect('"name": "default"')
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130


def test_stats_are_drawn_in_place(busy: Shop) -> None:
    child = busy.spawn("stats", "-w")
    child.expect("QUEUE")
    busy.qctl("pause", "mail")
    child.expect("paused", timeout=10)
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 130


def test_a_queue_that_nobody_used_yet_is_empty(shop: Shop, schemas: Schemas) -> None:
    answer = shop.qctl("stats", "default", "--json").json()
    schemas.check("stats", answer)
    [queue] = answer["data"]["queues"]
    assert (queue["name"], queue["pending"], queue["paused"]) == ("default", 0, False)


def test_an_empty_store_is_a_success(shop: Shop, schemas: Schemas) -> None:
    shop.environment.pop("QCTL_APP")
    for words in (["stats"], ["failed"], ["jobs"], ["jobs", "--state", "failed,completed"]):
        ended = shop.qctl(*words)
        assert ended.out == ""
        assert ended.err.startswith("no ")
        assert shop.qctl(*words, "--quiet").err == ""
        schemas.check(words[0], shop.qctl(*words, "--json").json())


def test_jobs_come_by_state(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("jobs", "--json").json()
    schemas.check("jobs", answer)
    assert [job["state"] for job in answer["data"]["jobs"]] == ["pending", "delayed", "failed", "failed", "completed"]
    for view in ("pending", "delayed", "completed"):
        [job] = busy.data("jobs", "--state", view)["jobs"]
        assert (job["state"], job["name"], job["queue"]) == (view, "Add", "default")
    assert len(busy.qctl("jobs", "--queue", "mail").lines()) == 2


def test_a_job_that_waits_for_another_try_is_retrying(busy: Shop) -> None:
    busy.qctl("retry", "all")
    busy.qctl("work", "--queue", "mail", "--tries", "2", "--backoff", "5m", "--max-jobs", "1")
    [job] = busy.data("jobs", "--state", "retrying")["jobs"]
    assert (job["state"], job["attempts"], job["error"]) == ("retrying", 1, "ValueError: no \x1b[31mink")


def test_pages_of_jobs_meet_each_job_once(busy: Shop) -> None:
    found, cursor = [], None
    while True:
        answer = busy.qctl("jobs", "--limit", "2", "--json", *(["--cursor", cursor] if cursor else [])).json()
        assert len(answer["data"]["jobs"]) <= 2
        found += [job["id"] for job in answer["data"]["jobs"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert found == busy.qctl("jobs", "-o", "name").lines()
    assert len(set(found)) == 5


def test_a_cursor_of_another_list_is_wrong_usage(busy: Shop) -> None:
    assert "no cursor of this list" in busy.qctl("jobs", "--cursor", "lost:1", expect=2).err


def test_ndjson_has_a_job_a_line(busy: Shop) -> None:
    import json

    lines = [json.loads(line) for line in busy.qctl("failed", "-o", "ndjson").lines()]
    assert [line["schema"] for line in lines] == ["qctl.job/1"] * 2


def test_failed_lists_the_error(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("failed", "--json").json()
    schemas.check("failed", answer)
    assert [job["error"] for job in answer["data"]["jobs"]] == ["ValueError: no \x1b[31mink"] * 2
    assert all("\x1b" not in busy.qctl("failed", "-o", kind).out for kind in ("table", "plain", "csv", "json"))
    assert len(busy.qctl("failed", "--limit", "1").lines()) == 1


def test_show_tells_all(busy: Shop, schemas: Schemas) -> None:
    job_id = busy.failed_ids()[0]
    answer = busy.qctl("show", job_id, "--json").json()
    schemas.check("show", answer)
    job = answer["data"]
    assert (job["id"], job["state"], job["job"]) == (job_id, "failed", "shop:Boom")
    [failure] = job["failures"]
    assert failure["kind"] == "ValueError"
    assert "raise ValueError(self.text)" in failure["traceback"]
    assert job["payload"]["kwargs"] == {"text": "no \x1b[31mink"}


def test_show_for_people(busy: Shop) -> None:
    page = busy.qctl("show", busy.failed_ids()[0]).out
    assert "state     failed" in page
    assert "raise ValueError(self.text)" in page
    assert "\x1b" not in page
    [done] = busy.qctl("jobs", "--state", "completed", "-o", "name").lines()
    assert re.search(r"^result +3$", busy.qctl("show", done).out, flags=re.MULTILINE)
    assert ID.fullmatch(busy.qctl("show", done, "--format", "{id}").out.strip())


def test_config_shows_each_setting_with_its_origin(shop: Shop, schemas: Schemas) -> None:
    (shop.folder / "qctl.toml").write_text('url = "postgresql+psycopg://app:hunter2@db/shop"\n')
    answer = shop.qctl("config", "--json").json()
    schemas.check("config", answer)
    settings = {setting["name"]: setting for setting in answer["data"]["settings"]}
    assert "qctl.toml" in settings["connections.default.url"]["origin"]
    assert "QCTL_APP" in settings["app"]["origin"]
    assert all("hunter2" not in shop.qctl("config", *words).out for words in ([], ["--json"], ["-o", "table"]))


def test_config_tells_which_files_it_read(shop: Shop, schemas: Schemas) -> None:
    assert shop.qctl("config", "path").err == "no configuration file was read\n"
    (shop.folder / "qctl.toml").write_text("")
    assert shop.qctl("config", "path").lines() == [str(shop.folder / "qctl.toml")]
    schemas.check("config.path", shop.qctl("config", "path", "--json").json())


def test_config_never_shows_a_key(shop: Shop) -> None:
    key = shop.qctl("key:generate").out.strip()
    assert key not in shop.qctl("config", QCTL_KEY=key).out
    assert key not in shop.qctl("config", "--json", QCTL_KEY=key).out


def test_version_names_what_is_installed(shop: Shop, schemas: Schemas) -> None:
    answer = shop.qctl("version", "--json").json()
    schemas.check("version", answer)
    assert {"qctl", "python", "sqlite", "sqlalchemy"} <= set(answer["data"])


def test_migrate_makes_the_tables_once(shop: Shop, schemas: Schemas) -> None:
    first = shop.qctl("migrate", "--json").json()
    schemas.check("migrate", first)
    [connection] = first["data"]["connections"]
    assert connection["driver"] == "database"
    assert connection["revisions"]
    assert shop.data("migrate")["connections"][0]["revisions"] == []
    assert shop.data("migrate", "--all")["connections"][0]["revisions"] == []


def test_a_generated_key_is_32_bytes(shop: Shop, schemas: Schemas) -> None:
    answer = shop.qctl("key:generate", "--json").json()
    schemas.check("key", answer)
    scheme, _, body = answer["data"]["key"].partition(":")
    assert scheme == "base64"
    assert len(base64.b64decode(body, validate=True)) == 32
    assert shop.qctl("key:generate").out != shop.qctl("key:generate").out


def test_a_key_is_kept_in_a_file_for_its_owner(shop: Shop, schemas: Schemas) -> None:
    path = shop.folder / ".env"
    path.write_text("OTHER=1\n")
    answer = shop.qctl("key:generate", "--write", ".env", "--json").json()
    schemas.check("key", answer)
    assert re.fullmatch(r"OTHER=1\nQCTL_KEY=base64:\S{44}\n", path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert answer["data"] == {"key": None, "file": ".env"}


def test_a_key_that_is_there_is_replaced_on_demand_alone(shop: Shop) -> None:
    path = shop.folder / ".env"
    shop.qctl("key:generate", "--write", ".env")
    before = path.read_text()
    shop.qctl("key:generate", "--write", ".env", expect=6)
    assert path.read_text() == before
    shop.qctl("key:generate", "--write", ".env", "--yes")
    assert path.read_text() != before
    assert path.read_text().count("QCTL_KEY") == 1


def test_a_key_file_that_cannot_be_written_is_said(shop: Shop) -> None:
    ended = shop.qctl("key:generate", "--write", "no/such/folder/.env", expect=1)
    assert ended.err == "error: cannot write no/such/folder/.env: No such file or directory\n"


def test_a_key_works(shop: Shop) -> None:
    key = shop.qctl("key:generate").out.strip()
    shop.qctl("dispatch", "shop:Add", "[1]", QCTL_KEY=key)
    shop.qctl("work", "--stop-when-empty", "--quiet", QCTL_KEY=key)
    assert shop.count("completed") == 1


@pytest.mark.parametrize("kind", ["table", "json", "ndjson", "csv", "plain", "name"])
def test_every_list_has_every_format(kind: str, busy: Shop) -> None:
    for words in (
        ["stats"],
        ["jobs"],
        ["failed"],
        ["migrate"],
        ["config"],
        ["version"],
        ["show", busy.failed_ids()[0]],
    ):
        assert busy.qctl(*words, "-o", kind).out


def test_every_view_is_a_state_of_the_help(shop: Shop) -> None:
    text = shop.qctl("jobs", "--help").out
    assert all(view in text for view in VIEWS)
