"""What the configuration says to the tool itself: how to print, what a worker is like, what must not be changed."""

from __future__ import annotations

import json

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

CHANGING = [
    ["dispatch", "shop:Add", "[1]"],
    ["retry", "all"],
    ["forget", "x"],
    ["restore", "x"],
    ["release", "x"],
    ["move", "x", "--to", "y"],
    ["flush", "--yes"],
    ["clear", "default", "--yes"],
    ["pause", "default"],
    ["resume", "default"],
    ["failed", "--retry"],
    ["failed", "--forget", "--yes"],
    ["migrate"],
    ["work", "--once"],
]


def configure(shop: Shop, text: str) -> None:
    (shop.folder / "qctl.toml").write_text(text)


@pytest.mark.parametrize("words", CHANGING, ids=" ".join)
def test_what_is_read_only_is_never_changed(words: list[str], shop: Shop, schemas: Schemas) -> None:
    configure(shop, "read_only = true\n")
    ended = shop.qctl(*words, "--json", expect=7)
    schemas.check("error", ended.json())
    assert ended.err == "error: read-only: nothing may be changed from here\nhint: qctl.toml says so\n"
    assert not (shop.folder / "queue.db").exists()


def test_what_is_read_only_can_be_read(busy: Shop) -> None:
    configure(busy, "read_only = true\n")
    for words in (["stats"], ["jobs"], ["failed"], ["show", busy.failed_ids()[0]], ["config"]):
        assert busy.qctl(*words).out


@pytest.mark.parametrize("text", ["[queues.default]\nprotected = true\n", 'env = "production"\n'])
def test_a_protected_queue_is_cleared_by_its_name_alone(text: str, busy: Shop) -> None:
    configure(busy, text)
    assert busy.qctl("clear", "default", expect=6).err.endswith(
        "with --confirm default to go ahead, or with --dry-run\n"
    )
    ended = busy.qctl("clear", "default", "--yes", expect=7)
    assert ended.err == "error: queue default is protected\nhint: repeat it with --confirm default\n"
    assert busy.count("pending") == 1
    assert busy.qctl("clear", "default", "--confirm", "default").out == "dropped 2 jobs\n"


@pytest.mark.parametrize(("typed", "code", "left"), [("default", 0, 0), ("y", 6, 1)])
def test_its_name_is_asked_for(typed: str, code: int, left: int, busy: Shop) -> None:
    configure(busy, "[queues.default]\nprotected = true\n")
    child = busy.spawn("clear", "default")
    child.expect_exact("drop 2 waiting jobs of default? type default to confirm: ")
    child.sendline(typed)
    assert child.wait() == code
    child.close()
    assert busy.count("pending") == left


def test_the_configuration_says_how_to_print(busy: Shop) -> None:
    configure(busy, '[output]\nformat = "json"\n')
    assert busy.qctl("stats").json()["schema"] == "qctl.stats/1"
    assert busy.qctl("stats", "-o", "name").lines() == ["default", "mail", "small"]
    assert busy.qctl("stats", "--format", "{name}").lines() == ["default", "mail", "small"]
    assert busy.qctl("stats", QCTL_OUTPUT="name").lines() == ["default", "mail", "small"]
    configure(busy, '[output]\nformat = "table"\nascii = true\ncolor = "always"\n')
    table = busy.qctl("stats").out
    assert table.isascii()
    assert "\x1b[" in table
    assert "\x1b[" not in busy.qctl("stats", "--no-color").out


def test_the_configuration_says_what_a_worker_is_like(busy: Shop) -> None:
    busy.qctl("retry", "all")
    configure(busy, '[worker]\nqueue = "mail,default"\ntries = 2\nbackoff = "5m"\nmax_jobs = 1\n')
    told = [json.loads(line) for line in busy.qctl("work").lines()]
    assert told[0]["queues"] == ["mail", "default"]
    assert (told[1]["outcome"], told[1]["delay_s"]) == ("released", 300.0)
    told = [json.loads(line) for line in busy.qctl("work", "--tries", "1", QCTL_BACKOFF="7").lines()]
    assert told[1]["outcome"] == "failed"
    told = [json.loads(line) for line in busy.qctl("work", "--queue", "default").lines()]
    assert told[0]["queues"] == ["default"]


def test_what_the_engine_logs_is_a_note(shop: Shop) -> None:
    ended = shop.qctl("dispatch", "shop:Add", "[1]")
    assert ended.err.startswith("warning: made a key that signs the jobs of this database: ")
    (shop.folder / "queue.db.key").unlink()
    (shop.folder / "queue.db").unlink()
    assert shop.qctl("dispatch", "shop:Add", "[1]", "--quiet").err == ""


def test_an_applications_own_logging_comes_first(shop: Shop) -> None:
    with (shop.folder / "shop.py").open("a") as module:
        module.write("\nimport logging\nlogging.basicConfig(format='mine: %(message)s')\n")
    ended = shop.qctl("dispatch", "shop:Add", "[1]")
    assert ended.err.startswith("mine: made a key")
    assert "warning:" not in ended.err


def test_a_profile_is_named_in_json(shop: Shop) -> None:
    configure(shop, '[profile.other]\nurl = "sqlite:///other.db"\n')
    for words, env in ((["-P", "other"], {}), ([], {"QCTL_PROFILE": "other"})):
        answer = shop.qctl("stats", *words, "--json", **env).json()
        assert answer["profile"] == "other"
        assert answer["backend"]["url"].endswith("/other.db")
