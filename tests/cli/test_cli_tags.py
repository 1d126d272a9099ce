"""`qctl tags`, and jobs that are silenced once they completed."""

from __future__ import annotations

import json

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow
TAGGED = """
from qcore import Job


class Ping(Job):
    tags = ("ping",)

    def handle(self) -> None: ...


class Import(Job):
    max_tries = 1

    def __init__(self, country: str) -> None:
        super().__init__()
        self.tags = [country, "import"]

    def handle(self) -> None:
        if self.tags[0] == "us":
            raise TimeoutError("no answer")


def make() -> None:
    for country in ("eu", "us", "eu"):
        Import(country).dispatch()
    Ping.dispatch()
"""


@pytest.fixture
def tagged(shop: Shop) -> Shop:
    """Completed: two imports of eu and a ping; failed: one import of us; pending: another of eu."""
    (shop.folder / "tagged.py").write_text(TAGGED)
    shop.environment["QCTL_APP"] = "tagged"
    shop.python("import tagged; tagged.make()")
    shop.qctl("work", "--stop-when-empty", "--quiet")
    shop.python("import tagged; tagged.Import('eu').dispatch()")
    return shop


def names(shop: Shop, *words: str) -> list[str]:
    return [job["name"] for job in shop.data("jobs", *words)["jobs"]]


def test_jobs_are_counted_by_tag(tagged: Shop, schemas: Schemas) -> None:
    answer = tagged.qctl("tags", "--json").json()
    schemas.check("tags", answer)
    found = {one["tag"]: (one["jobs"], one["completed"], one["failed"]) for one in answer["data"]["tags"]}
    assert found == {"import": (4, 2, 1), "eu": (3, 2, 0), "ping": (1, 1, 0), "us": (1, 0, 1)}
    assert [one["tag"] for one in answer["data"]["tags"]] == ["import", "eu", "ping", "us"]
    assert tagged.qctl("tags", "-o", "name", "--limit", "1").lines() == ["import"]
    schemas.check(
        "tag", {k: v for k, v in json.loads(tagged.qctl("tags", "-o", "ndjson").lines()[0]).items() if k != "schema"}
    )


def test_some_tags_alone(tagged: Shop) -> None:
    assert tagged.qctl("tags", "e*", "nowhere", "-o", "name").lines() == ["eu", "nowhere"]
    assert names(tagged, "--tag", "us") == ["Import"]
    assert names(tagged, "--where", "tag:ping") == ["Ping"]


def test_an_eye_is_kept_on_tags(tagged: Shop, schemas: Schemas) -> None:
    assert tagged.data("tags", "--monitored")["tags"] == []
    answer = tagged.qctl("tags", "--monitor", "us,customer:42", "--json").json()
    schemas.check("tags.monitor", answer)
    assert answer["data"] == {"tags": ["us", "customer:42"], "monitored": True, "changed": 2}
    assert tagged.qctl("tags", "--monitored", "-o", "name").lines() == ["us", "customer:42"]
    assert tagged.qctl("tags", "-o", "name").lines()[:3] == ["us", "customer:42", "import"]
    assert tagged.qctl("tags", "--unmonitor", "us", "-o", "table").out == "no longer monitored: 1 tag\n"
    assert tagged.qctl("tags", "--monitored", "-o", "name").lines() == ["customer:42"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--monitor", "a", "--unmonitor", "b"], 2, "stand alone"),
        (["eu", "--monitor", "a"], 2, "stand alone"),
        (["--monitor", "x" * 300], 5, "tag"),
    ],
)
def test_what_makes_no_sense(shop: Shop, words: list[str], code: int, said: str) -> None:
    assert said in shop.qctl("tags", *words, expect=code).err


@pytest.mark.parametrize(
    "setting", ['silenced = ["Ping"]', 'silenced = ["tagged:P*"]', 'silenced_tags = ["ping", "other"]']
)
def test_what_is_silenced_is_left_out_once_it_completed(tagged: Shop, setting: str) -> None:
    (tagged.folder / "qctl.toml").write_text(setting + "\n")
    assert sorted(names(tagged)) == ["Import"] * 4
    assert names(tagged, "--silenced") == ["Ping"]
    tagged.python("import tagged; tagged.Ping.dispatch()")
    assert names(tagged, "--state", "pending", "--tag", "ping") == ["Ping"]
    assert tagged.count("completed") == 3


def test_where_nothing_is_silenced_all_are_shown(tagged: Shop, schemas: Schemas) -> None:
    assert "Ping" in names(tagged)
    answer = tagged.qctl("jobs", "--silenced", "--json").json()
    schemas.check("jobs", answer)
    assert answer["data"]["jobs"] == []
