"""Selecting jobs on the command line: `--where`, what is short for it, and what acts on all that match."""

from __future__ import annotations

import json
import shutil

import pytest
from shop import Schemas, Shop
from typer.testing import CliRunner

from qctl.commands.grouping import BY
from qctl.main import app

pytestmark = pytest.mark.slow

TAGGED = """
from qcore import Job


class Import(Job):
    max_tries = 1

    def __init__(self, country: str) -> None:
        super().__init__()
        self.tags = [country]

    def handle(self) -> None:
        raise TimeoutError("no answer")


def make() -> None:
    for country in ("eu", "us", "eu"):
        Import(country).on_queue("imports").dispatch()
"""


@pytest.fixture(scope="session")
def model_of_tagged(model_of_busy: object, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("tagged")
    shutil.copytree(str(model_of_busy), folder, dirs_exist_ok=True)
    shop = Shop(folder)
    (folder / "imports.py").write_text(TAGGED)
    shop.python("import imports; imports.make()")
    shop.qctl("work", "--app", "imports", "--queue", "imports", "--stop-when-empty", "--quiet")
    return shop


@pytest.fixture
def tagged(model_of_tagged: Shop, busy: Shop) -> Shop:
    """The busy shop, and on `imports` three failed jobs more, tagged eu, us and eu."""
    shutil.copytree(model_of_tagged.folder, busy.folder, dirs_exist_ok=True)
    return busy


def listed(shop: Shop, *words: str) -> list[str]:
    """The names of the jobs that a list shows."""
    return [job["name"] for job in shop.data(*words)["jobs"]]


def test_jobs_by_filter(tagged: Shop, schemas: Schemas) -> None:
    answer = tagged.qctl("jobs", "--where", "tag:eu", "--json").json()
    schemas.check("jobs", answer)
    assert [job["tags"] for job in answer["data"]["jobs"]] == [["eu"], ["eu"]]
    assert answer["data"]["scanned_limit"] is False
    assert listed(tagged, "jobs", "--where", "args.a:3,5 -state:delayed") == ["Add"]
    assert listed(tagged, "jobs", "--where", "-queue:imports,mail state:pending") == ["Add"]
    assert listed(tagged, "jobs", "--state", "failed", "--queue", "imports", "--where", "tag:us") == ["Import"]
    nothing = tagged.qctl("jobs", "--state", "failed", "--where", "queue:nowhere")
    assert (nothing.out, nothing.err) == ("", "no failed jobs that match\n")


def test_pages_of_a_filter(tagged: Shop) -> None:
    first = tagged.qctl("failed", "--tag", "eu,us", "--limit", "2", "--json").json()
    rest = tagged.qctl("failed", "--tag", "eu,us", "--limit", "2", "--cursor", first["next_cursor"], "--json").json()
    ids = [job["id"] for job in first["data"]["jobs"] + rest["data"]["jobs"]]
    assert ids == tagged.qctl("failed", "--tag", "eu,us", "-o", "name").lines()
    assert len(ids) == 3
    assert "no cursor of this list" in tagged.qctl("failed", "--cursor", "mail", expect=2).err


def test_what_is_short_for_a_filter(tagged: Shop) -> None:
    for words, names in (
        (["--class", "Imp*"], 3),
        (["--class", "imports:Import", "--tag", "us"], 1),
        (["--class", "Import,Boom"], 5),
        (["--search", "no answer"], 3),
        (["--search", "NO answer", "--where", "tag:us"], 1),
        (["--queue", "mail", "--search", "answer"], 0),
        (["--since", "1h"], 5),
        (["--since", "2020-01-01T00:00Z", "--tag", "eu"], 2),
        (["--since", "2099-01-01"], 0),
    ):
        assert len(tagged.qctl("failed", *words, "-o", "name").lines()) == names, words


@pytest.mark.parametrize("by", BY)
def test_groups(by: str, tagged: Shop, schemas: Schemas) -> None:
    answer = tagged.qctl("failed", "--group-by", by, "--json").json()
    schemas.check("failed.groups", answer)
    groups = {group["value"]: group["count"] for group in answer["data"]["groups"]}
    known = {
        "exception": {"TimeoutError": 3, "ValueError": 2},
        "job": {"imports:Import": 3, "shop:Boom": 2},
        "queue": {"imports": 3, "mail": 2},
    }
    if by == "fingerprint":
        assert list(groups.values()) == [3, 2]
    else:
        assert groups == known[by]
    assert answer["data"]["groups"][0]["count"] == 3
    assert tagged.qctl("failed", "--group-by", by, "-o", "name", "--limit", "1").lines() == [next(iter(groups))]


def test_groups_of_what_matches(tagged: Shop, schemas: Schemas) -> None:
    (line,) = tagged.qctl("failed", "--group-by", "queue", "--tag", "eu", "-o", "ndjson").lines()
    schemas.check("failed.group", {key: value for key, value in json.loads(line).items() if key != "schema"})
    assert json.loads(line)["count"] == 2
    assert (
        "'tag' is none of exception, fingerprint, job, queue"
        in tagged.qctl("failed", "--group-by", "tag", expect=2).err
    )


def test_a_gate_for_scripts(tagged: Shop, schemas: Schemas) -> None:
    answer = tagged.qctl("failed", "--fail-if-any", "--json", expect=20).json()
    schemas.check("failed", answer)
    assert tagged.qctl("failed", "--fail-if-any", "--group-by", "job", "--quiet", expect=20).out
    tagged.qctl("failed", "--fail-if-any", "--where", "tag:nowhere")
    assert "exclude each other" in tagged.qctl("failed", "--fail-if-any", "--retry", expect=2).err


def test_retry_of_what_matches(tagged: Shop, schemas: Schemas) -> None:
    dry = tagged.qctl("retry", "--where", "tag:eu", "--dry-run", "--json").json()
    schemas.check("retry", dry)
    assert (dry["data"]["matched"], dry["data"]["changed"], dry["data"]["dry_run"]) == (2, 0, True)
    assert [job["tags"] for job in dry["data"]["sample"]] == [["eu"], ["eu"]]
    told = tagged.qctl("retry", "--tag", "eu", "--dry-run")
    assert told.out == "2 jobs would be retried\n"
    assert len(told.err.splitlines()) == 2
    assert tagged.qctl("retry", "--class", "Import", "--limit", "1").out == "retried 1 job\n"
    assert tagged.qctl("retry", "--where", "tag:us,eu", "--queue", "imports", "--since", "1h").out == "retried 2 jobs\n"
    assert tagged.qctl("retry", "--all", "--queue", "imports").out == "retried 0 jobs\n"
    assert tagged.qctl("retry", "--all").out == "retried 2 jobs\n"


def test_failed_acts_on_all_that_match_whatever_the_page_shows(tagged: Shop) -> None:
    assert tagged.qctl("failed", "--tag", "eu", "--retry").out == "retried 2 jobs\n"
    assert tagged.qctl("failed", "--where", "-tag:us", "--forget", "--limit", "1", "--yes").out == "forgotten 1 job\n"
    assert sorted(listed(tagged, "failed")) == ["Boom", "Import"]


@pytest.mark.parametrize("words", [["forget"], ["failed", "--forget"]])
def test_forgetting_what_matches_is_asked(words: list[str], tagged: Shop, schemas: Schemas) -> None:
    said = tagged.qctl(*words, "--where", "tag:eu", expect=6).err
    assert said.startswith("error: not confirmed: drop 2 failed jobs that match tag:eu\n")
    assert tagged.count("failed") == 5
    answer = tagged.qctl(*words, "--where", "tag:eu", "--yes", "--json").json()
    schemas.check("forget", answer)
    assert answer["data"]["changed"] == 2
    assert tagged.count("failed") == 3


def test_cancelling_what_matches_is_asked(tagged: Shop, schemas: Schemas) -> None:
    words = ["cancel", "--where", "args.a:5 job:Add"]
    dry = tagged.qctl(*words, "--dry-run", "--json").json()
    schemas.check("cancel", dry)
    assert (dry["data"]["matched"], len(dry["data"]["sample"])) == (1, 1)
    assert tagged.qctl(*words, "--dry-run").out == "1 job would be cancelled, or told to stop\n"
    assert "cancel 1 job that match args.a:5 job:Add" in tagged.qctl(*words, expect=6).err
    answer = tagged.qctl(*words, "--yes", "--json").json()
    schemas.check("cancel", answer)
    assert (answer["data"]["changed"], answer["data"]["dry_run"]) == (1, False)
    assert (tagged.count("delayed"), tagged.count("pending")) == (0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["jobs", "--where", "quue:mail"], "no field quue: did you mean queue? (column 1)"),
        (["failed", "--where", "tag:"], "nothing follows tag: (column 5)"),
        (["failed", "--since", "soon"], "--since: 'soon' is neither a duration"),
        (["failed", "--class", ","], "job needs a value"),
        (["retry", "--where", "state:completed"], "this acts on jobs that are failed, and the filter leaves none"),
        (["cancel", "--where", "state:failed"], "this acts on jobs that are delayed or pending or retrying or"),
        (["retry", "x", "--where", "tag:a"], "ids and what selects jobs exclude each other"),
        (["forget", "x", "--limit", "1"], "ids and what selects jobs exclude each other"),
        (["cancel", "x", "--where", "tag:a"], "ids and what selects jobs exclude each other"),
        (["cancel", "x", "--dry-run"], "--dry-run counts what matches"),
        (["retry", "--limit", "1"], "nothing to retry was named"),
        (["forget"], "no job was named"),
        (["cancel"], "no job was named"),
    ],
)
def test_what_makes_no_sense_is_one_line(words: list[str], message: str, busy: Shop) -> None:
    first, *rest = busy.qctl(*words, expect=2).err.splitlines()
    assert first.startswith(f"error: {message}")
    assert len(rest) <= 1
    assert busy.count("failed") == 2


def test_a_filter_may_begin_with_a_dash(tagged: Shop) -> None:
    assert set(listed(tagged, "failed", "--where", "-job:Import")) == {"Boom"}


def test_the_language_is_explained(shop: Shop, schemas: Schemas) -> None:
    lines = shop.qctl("help", "filters").lines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  exception ") for line in lines)
    schemas.check("help", shop.qctl("help", "filters", "--json").json())


@pytest.fixture
def in_folder(tagged: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A call of the tool in this process, which looks at two jobs at the most."""
    monkeypatch.chdir(tagged.folder)
    monkeypatch.setattr("qcore.monitor.selection.SCAN_MOST", 2)
    return CliRunner()


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (["jobs", "--where", "tag:none"], "jobs"),
        (["failed", "--where", "tag:none"], "failed"),
        (["failed", "--group-by", "job"], "failed.groups"),
        (["retry", "--where", "tag:none"], "retry"),
        (["forget", "--where", "tag:none", "--dry-run"], "forget"),
    ],
)
def test_that_not_all_were_looked_at_is_said(
    words: list[str], schema: str, in_folder: CliRunner, schemas: Schemas
) -> None:
    answer = json.loads(in_folder.invoke(app, [*words, "--json"]).stdout)
    schemas.check(schema, answer)
    assert answer["data"]["scanned_limit"] is True
    assert answer["warnings"][-1].startswith("only the newest 2 jobs were looked at")
    said = in_folder.invoke(app, words).stderr
    assert "warning: only the newest 2 jobs were looked at: name states and queues to narrow it" in said
    assert json.loads(in_folder.invoke(app, ["failed", "--json"]).stdout)["data"]["scanned_limit"] is False
