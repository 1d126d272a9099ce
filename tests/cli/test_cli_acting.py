"""The commands that change something: dispatch, retry, forget, flush, clear, pause, resume."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pexpect
import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

MISSING = "0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f"


def test_dispatch_prints_the_id(shop: Shop, schemas: Schemas) -> None:
    job_id = shop.qctl("dispatch", "shop:Add", "[1, 2]").out.strip()
    assert shop.data("show", job_id)["payload"]["args"] == [1, 2]
    schemas.check("dispatch", shop.qctl("dispatch", "shop:Add", "[1]", "--json").json())


@pytest.mark.parametrize(
    ("arguments", "args", "kwargs"),
    [
        (["[1, 2]"], [1, 2], {}),
        (['{"a": 1, "b": 2}'], [], {"a": 1, "b": 2}),
        (["-"], [7], {}),
    ],
)
def test_arguments_are_json(arguments: list[str], args: list[int], kwargs: dict[str, int], shop: Shop) -> None:
    job_id = shop.qctl("dispatch", "shop:Add", *arguments, stdin="[7]\n").out.strip()
    payload = shop.data("show", job_id)["payload"]
    assert (payload["args"], payload["kwargs"]) == (args, kwargs)


def test_a_function_job_is_dispatched_to_its_queue(shop: Shop) -> None:
    job_id = shop.qctl("dispatch", "shop:greet", '{"name": "ada", "loudly": true}').out.strip()
    assert shop.data("show", job_id)["queue"] == "mail"
    assert shop.qctl("dispatch", "shop.greet", '["ada"]').out


def test_dispatch_says_where_and_when(shop: Shop) -> None:
    words = ["--queue", "slow", "--delay", "10m", "--priority", "7"]
    job = shop.data("show", shop.qctl("dispatch", "shop:Add", "[1]", *words).out.strip())
    assert (job["queue"], job["priority"], job["state"]) == ("slow", 7, "delayed")
    job = shop.data("show", shop.qctl("dispatch", "shop:Add", "[1]", "--delay", "2099-01-31T09:00Z").out.strip())
    assert job["due_at"] == "2099-01-31T09:00:00.000Z"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["shop:Add", "[1, 2"], 2, "the arguments are no JSON: "),
        (["shop:Add", "7"], 2, "the arguments are 7, neither an array nor an object"),
        (["shop:Add", "[]"], 2, "shop:Add does not take these arguments: missing a required argument: 'a'"),
        (["shop:Add", '{"c": 1}'], 2, "shop:Add does not take these arguments: "),
        (["shop:Add", "[1]", "--delay", "soon"], 2, "--delay: 'soon' is neither a duration"),
        (["shop:Nope"], 3, "shop:Nope: there is no job of that name"),
        (["shop:os"], 3, "shop:os: there is no job of that name"),
        (["nowhere:Add"], 3, "nowhere:Add: no module named 'nowhere'"),
        (["Add"], 3, "'Add' is no class path"),
    ],
)
def test_a_dispatch_that_cannot_be_is_one_line(words: list[str], code: int, message: str, shop: Shop) -> None:
    first, *rest = shop.qctl("dispatch", *words, expect=code).err.splitlines()
    assert first.startswith(f"error: {message}")
    assert len(rest) <= 1
    assert shop.count("pending") == 0


def test_a_full_queue_is_a_conflict(shop: Shop, schemas: Schemas) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]", "--queue", "small")
    ended = shop.qctl("dispatch", "shop:Add", "[1]", "--queue", "small", "--json", expect=7)
    schemas.check("error", ended.json())
    assert ended.json()["error"]["code"] == "queue_full"
    assert shop.count("pending") == 1


def test_dispatch_waits_for_the_end(shop: Shop, schemas: Schemas) -> None:
    worker = shop.spawn("work", "--queue", "default,mail", "--tries", "1", "--max-jobs", "2")
    worker.expect("Ctrl-C")
    answer = shop.qctl("dispatch", "shop:Add", "[20, 22]", "--wait", "--timeout", "20s", "--json").json()
    schemas.check("dispatch", answer)
    assert answer["data"]["result"] == 42
    failed = shop.qctl("dispatch", "shop:Boom", "--wait", "--timeout", "20s", expect=1)
    assert failed.out.strip().endswith("failed  ValueError: broken")
    worker.wait()


def test_waiting_can_run_out_of_time(shop: Shop) -> None:
    ended = shop.qctl("dispatch", "shop:Add", "[1]", "--wait", "--timeout", "10ms", expect=8)
    assert "is still pending after 0.01 s" in ended.err
    assert shop.count("pending") == 1


def test_retry_by_id_and_all(busy: Shop, schemas: Schemas) -> None:
    first, second = busy.failed_ids()
    assert busy.qctl("retry", first).out == "retried 1 job\n"
    assert busy.failed_ids() == [second]
    answer = busy.qctl("retry", "all", "--json").json()
    schemas.check("retry", answer)
    assert answer["data"] == {"matched": 1, "changed": 1, "failed": [], "dry_run": False, "scanned_limit": False}
    assert busy.count("failed") == 0
    assert busy.qctl("retry", "all").out == "retried 0 jobs\n"


def test_retry_of_a_queue(busy: Shop) -> None:
    assert busy.qctl("retry", "all", "--queue", "default").out == "retried 0 jobs\n"
    assert busy.qctl("retry", "--queue", "mail", "--dry-run").out == "2 jobs would be retried\n"
    assert busy.qctl("retry", "--queue", "mail").out == "retried 2 jobs\n"


@pytest.mark.parametrize("form", ["name", "ndjson", "plain"])
def test_ids_come_through_a_pipe(form: str, busy: Shop) -> None:
    listed = busy.qctl("failed", "-o", form).out
    assert busy.qctl("retry", "-", stdin=listed).out == "retried 2 jobs\n"


def test_a_pipe_of_something_else_is_wrong_usage(busy: Shop) -> None:
    assert "stdin: no id in" in busy.qctl("retry", "-", stdin='{"no": 1}\n', expect=2).err


@pytest.mark.parametrize("verb", ["retry", "forget"])
def test_some_that_are_missing_fail_some(verb: str, busy: Shop, schemas: Schemas) -> None:
    first, _ = busy.failed_ids()
    ended = busy.qctl(verb, first, MISSING, "--json", expect=1)
    schemas.check(verb, ended.json())
    assert ended.json()["data"]["changed"] == 1
    assert [one["id"] for one in ended.json()["data"]["failed"]] == [MISSING]


@pytest.mark.parametrize("words", [["retry", MISSING], ["forget", MISSING], ["show", MISSING], ["cancel", MISSING]])
def test_a_job_that_is_not_there_is_not_found(words: list[str], busy: Shop, schemas: Schemas) -> None:
    ended = busy.qctl(*words, "--json", expect=3)
    schemas.check("error", ended.json())
    assert MISSING in ended.err
    assert busy.count("failed") == 2


@pytest.mark.parametrize("verb", ["retry", "forget"])
def test_a_dry_run_changes_nothing(verb: str, busy: Shop) -> None:
    for words in ([verb, *busy.failed_ids()], ["failed", f"--{verb}"]):
        answer = busy.data(*words, "--dry-run")
        assert (answer["matched"], answer["changed"], answer["dry_run"]) == (2, 0, True)
    assert busy.count("failed") == 2


def test_failed_acts_on_all_that_match_or_the_first_n(busy: Shop, schemas: Schemas) -> None:
    assert busy.qctl("failed", "--retry", "--limit", "1").out == "retried 1 job\n"
    answer = busy.qctl("failed", "--retry", "--json").json()
    schemas.check("retry", answer)
    assert answer["data"]["changed"] == 1


def test_forget_by_id_asks_nothing(busy: Shop) -> None:
    first, second = busy.failed_ids()
    assert busy.qctl("forget", first).out == "forgotten 1 job\n"
    assert busy.qctl("forget", "-", stdin=second).out == "forgotten 1 job\n"
    assert busy.count("failed") == 0


def test_cancel_by_id_asks_nothing(busy: Shop, schemas: Schemas) -> None:
    ids = [busy.qctl("dispatch", "shop:Add", "[1]").out.strip() for _ in range(3)]
    assert busy.qctl("cancel", ids[0]).out == "cancelled 1 job\n"
    answer = busy.qctl("cancel", "-", "--hard", "--json", stdin="\n".join([*ids, MISSING]), expect=1).json()
    schemas.check("cancel", answer)
    gone = [{"id": ids[0], "reason": "it is cancelled already"}, {"id": MISSING, "reason": "no such job"}]
    told = {"told": [], "hard": True, "dry_run": False, "scanned_limit": False}
    assert answer["data"] == {"matched": 4, "changed": 2, "failed": gone, **told}
    assert busy.count("cancelled") == 3


def test_a_running_job_is_told_or_interrupted(shop: Shop) -> None:
    fifo = shop.folder / "began"
    os.mkfifo(fifo)
    (shop.folder / "qctl.toml").write_text("[connections.default]\nlease_s = 1.0\n")
    slow = shop.qctl("dispatch", "shop:Slow", f'["{fifo}", 50]').out.strip()
    worker = shop.spawn("work", "--stop-when-empty")
    assert fifo.read_text() == "began"
    assert shop.qctl("cancel", slow).out == "cancelled 0 jobs, told 1 job to stop\n"
    assert shop.qctl("cancel", "--hard", slow).out == "cancelled 0 jobs, told 1 job to stop\n"
    worker.expect("CANCEL")
    worker.expect(pexpect.EOF)
    assert shop.data("show", slow)["state"] == "cancelled"


DESTRUCTIVE = [["flush"], ["flush", "--queue", "mail"], ["failed", "--forget"], ["clear", "default"]]


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_without_a_terminal_nothing_is_lost_unconfirmed(words: list[str], busy: Shop, schemas: Schemas) -> None:
    before = busy.data("stats")["totals"]
    ended = busy.qctl(*words, "--json", expect=6)
    schemas.check("error", ended.json())
    assert "--yes" in ended.err
    assert busy.data("stats")["totals"] == before


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_yes_confirms(words: list[str], busy: Shop, schemas: Schemas) -> None:
    name = "forget" if "--forget" in words else words[0]
    answer = busy.qctl(*words, "-y", "--json").json()
    schemas.check(name, answer)
    assert answer["data"]["changed"] == 2
    assert busy.data(*words, "-y")["changed"] == 0


def test_flush_spares_what_failed_lately(busy: Shop) -> None:
    assert busy.data("flush", "--hours", "1", "--dry-run")["matched"] == 0
    assert busy.qctl("flush", "--hours", "1", "--yes").out == "dropped 0 jobs\n"
    assert busy.data("flush", "--hours", "0", "--dry-run")["matched"] == 2
    assert busy.qctl("flush", "--hours", "0", "--yes").out == "dropped 2 jobs\n"


def test_clear_takes_waiting_jobs_of_several_queues(busy: Shop) -> None:
    assert busy.qctl("clear", "default", "mail", "--dry-run").out == "2 jobs would be dropped\n"
    assert busy.qctl("clear", "default,mail", "--yes").out == "dropped 2 jobs\n"
    assert (busy.count("failed"), busy.count("completed"), busy.count("pending")) == (2, 1, 0)


def test_clear_is_confirmed_by_name(busy: Shop) -> None:
    assert "--confirm does not name default" in busy.qctl("clear", "default", "--confirm", "mail", expect=6).err
    assert busy.count("pending") == 1
    assert busy.qctl("clear", "default", "--confirm", "default").out == "dropped 2 jobs\n"


def test_pause_and_resume(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("pause", "default", "--for", "10m", "--reason", "moving house", "--json").json()
    schemas.check("pause", answer)
    [queue] = busy.data("stats", "default")["queues"]
    assert queue["paused"] is True
    assert queue["pause_reason"] == "moving house"
    assert queue["paused_until"] > queue["paused_until"][:4]
    busy.qctl("work", "--stop-when-empty", "--quiet")
    assert busy.count("pending") == 1
    answer = busy.qctl("resume", "default", "--json").json()
    schemas.check("resume", answer)
    assert answer["data"]["changed"] is True
    assert busy.qctl("resume", "default").out == "default was not paused\n"
    assert busy.qctl("queue:continue", "default").out == "default was not paused\n"
    busy.qctl("work", "--stop-when-empty", "--quiet")
    assert busy.count("pending") == 0


@pytest.mark.parametrize(
    "words",
    [
        ["stats", "nope"],
        ["jobs", "--queue", "nope"],
        ["failed", "--queue", "nope"],
        ["retry", "all", "--queue", "nope"],
        ["flush", "--queue", "nope", "--yes"],
        ["clear", "nope", "--yes"],
        ["clear", "default", "nope", "--yes"],
        ["pause", "nope"],
        ["resume", "nope"],
    ],
    ids=" ".join,
)
def test_an_unknown_queue_is_one_line(words: list[str], busy: Shop) -> None:
    assert busy.qctl(*words, expect=3).err == "error: no queue 'nope'\nhint: queues here: default, mail, small\n"
    assert busy.count("pending") == 1


def test_another_store_by_flag_or_environment(busy: Shop, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    assert busy.data("--url", other, "stats")["totals"]["failed"] == 0
    assert busy.data("stats", "--url", other)["totals"]["failed"] == 0
    assert busy.data("stats", QCTL_URL=other)["totals"]["failed"] == 0
    assert busy.data("stats", "--url", f"sqlite:///{tmp_path}/queue.db", QCTL_URL=other)["totals"]["failed"] == 2


def test_a_connection_by_name(busy: Shop, tmp_path: Path) -> None:
    (tmp_path / "conf.toml").write_text(
        '[connections.first]\nurl = "sqlite:///queue.db"\n[connections.second]\nurl = "sqlite:///second.db"\n'
    )
    words = ["--config", "conf.toml", "-c", "second"]
    job_id = busy.qctl("dispatch", "shop:Add", "[1]", *words).out.strip()
    assert busy.data("show", job_id, *words)["connection"] == "second"
    assert busy.data("stats", *words)["totals"]["pending"] == 1
    assert json.loads(busy.qctl("stats", *words, "--json").out)["backend"]["connection"] == "second"


@pytest.mark.parametrize(
    "words",
    [
        ("dispatch", "shop:Add", "[1]", "--priority", "9999999999999999999"),
        ("dispatch", "shop:Add", "[1]", "--delay", "99999999d"),
        ("pause", "default", "--for", "99999999d"),
        ("pause", "default", "--for", "0"),
        ("pause", "default", "--for=-5m"),
        ("flush", "--hours", "1e300", "--dry-run"),
    ],
)
def test_numbers_beyond_all_use_are_wrong_usage(words: tuple[str, ...], shop: Shop) -> None:
    first, *rest = shop.qctl(*words, expect=2).err.splitlines()
    assert first.startswith("error: --")
    assert len(rest) <= 1


def test_jobs_on_another_connection_are_reached(shop: Shop) -> None:
    (shop.folder / "shop.py").write_text(
        (shop.folder / "shop.py").read_text()
        + """
QUEUE_CONFIG = {
    "default": {"driver": "database", "url": "sqlite:///one.db"},
    "other": {"driver": "database", "url": "sqlite:///two.db"},
}
define_queue("far", connection="other")
"""
    )
    for queue in ("default", "far"):
        shop.qctl("dispatch", "shop:Boom", "--queue", queue)
    shop.qctl("work", "--queue", "default,far", "--tries", "1", "--stop-when-empty", "--quiet")
    listed = shop.qctl("failed", "-o", "name")
    assert len(listed.lines()) == 1
    assert "connection 'other' holds such jobs too" in listed.err
    far = shop.qctl("failed", "--queue", "far", "-o", "name").out.strip()
    assert shop.data("retry", far)["changed"] == 1
    assert shop.data("retry", "all", "--dry-run")["matched"] == 1
    shop.qctl("work", "--queue", "far", "--tries", "1", "--stop-when-empty", "--quiet")
    assert shop.data("flush", "--yes")["changed"] == 2


def test_a_worker_that_stops_when_empty_names_unknown_queues(shop: Shop) -> None:
    said = shop.qctl("work", "--queue", "nosuch", "--stop-when-empty", "--in-process").err
    assert said.count("note: queue 'nosuch' has had no jobs here") == 1
