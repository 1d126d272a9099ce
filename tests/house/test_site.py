"""The documentation builds as a site, strictly, and its reference holds everything that is public."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT
from test_docstrings import OTHERS, PUBLIC, RETURNED

from qctl.main import COMMANDS

pytestmark = pytest.mark.slow
ELSEWHERE = re.compile(r"""<(?:link|script|img|iframe|source)\b[^>]*\b(?:href|src)=["']?(?:https?:)?//""")
"""What a browser would load from another host; a link to one is no harm."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    ended = build(ROOT, folder)
    assert ended.returncode == 0, ended.stdout
    return folder


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the repository at `root`, strictly."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def headings(page: Path, level: int) -> list[str]:
    """The headings of a built page."""
    found = re.findall(rf"<h{level} id=[^>]*>(.*?)<a class", page.read_text(encoding="utf-8"))
    return [html.unescape(re.sub(r"<[^>]+>", "", one)) for one in found]


def test_every_document_is_a_page_of_it(site: Path) -> None:
    for document in DOCUMENTS:
        place = str(document.relative_to(ROOT).with_suffix(".html")).removeprefix("docs/").replace("README", "index")
        assert (site / place).exists(), f"{document.name} is not in the site"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    found = {(page.name, one) for page in pages for one in ELSEWHERE.findall(page.read_text(encoding="utf-8"))}
    assert found == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", styles)
    assert ELSEWHERE.search('<link rel="stylesheet" href="https://fonts.example/css">')


def test_no_link_of_a_page_leads_nowhere(site: Path) -> None:
    """Also of those that mkdocs does not look into: what was made, and what came in from outside of docs/."""
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in re.findall(r'<a\b[^>]*\bhref="([^"#:]+)(?:#[^"]*)?"', page.read_text(encoding="utf-8")):
            assert (page.parent / target).resolve().exists(), f"{page.relative_to(site)}: {target}"


def test_the_reference_holds_every_public_name(site: Path) -> None:
    returned = {name for names in RETURNED.values() for name in names}
    for module in ("qcore", "qcore.middleware", "qcore.testing"):
        names = headings(site / "reference" / f"{module}.html", 2)
        assert names[: len(import_module(module).__all__)] == list(import_module(module).__all__)
        assert set(names[len(import_module(module).__all__) :]) == (returned if module == "qcore" else set())
    others = set(headings(site / "reference" / "others.html", 2))
    assert others >= {name for names in OTHERS.values() for name in names} | {"Command"}
    assert {"qcore", "qcore.middleware", "qcore.testing", "qctl"} == set(PUBLIC)


def test_the_reference_holds_every_method(site: Path) -> None:
    methods = headings(site / "reference" / "qcore.html", 3)
    assert {"Job.dispatch", "Job.release", "Job.job_id", "QueueManager.rate_limit", "JobBatch.add"} <= set(methods)
    testing = set(headings(site / "reference" / "qcore.testing.html", 3))
    assert {"QueueFake.assert_pushed", "QueueFake.run"} <= testing


def test_the_reference_holds_what_a_call_gives_back(site: Path) -> None:
    methods = set(headings(site / "reference" / "qcore.html", 3))
    assert {"PendingBatch.allow_failures", "PendingBatch.finally_", "PendingChain.catch", "PendingGraph.add"} <= methods
    others = set(headings(site / "reference" / "others.html", 3))
    assert {"Actions.retry", "Monitor.jobs", "WorkerObserver.ended"} <= others


def test_the_reference_holds_every_attribute_with_what_is_said_of_it(site: Path) -> None:
    page = attributes_in(site / "reference" / "qcore.html")
    assert {
        "retry_until: When | None = None",
        "fail_on_timeout: bool = False",
        "tags: Sequence[str] = ()",
    } <= page.keys()
    assert page["oldest_pending_age: float | None"].startswith("Seconds since")
    assert {"runtime_s: float", "current_step: int", "PENDING = 'pending'", "code = 'not_found'"} <= page.keys()
    others = attributes_in(site / "reference" / "others.html")
    assert {"max_time_s: float | None = None", "matched: int", "EMPTY = 'empty'"} <= others.keys()
    assert all(told for told in [*page.values(), *others.values()])


def attributes_in(page: Path) -> dict[str, str]:
    """What a built page says of attributes, and of arguments, by the line that names each."""
    found = re.findall(r"<li>\s*(?:<p>)?<code>(.*?)</code>:\s*(.*?)</", page.read_text(encoding="utf-8"), re.DOTALL)
    return {html.unescape(name): told for name, told in found}


def test_signatures_keep_their_quotes_and_stars(site: Path) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", (site / "reference" / "qcore.html").read_text(encoding="utf-8")))
    assert "strategy: str = 'sliding_window'" in text
    assert re.search(r"JobProcessed\(\s+\*,\s+job_id: str,", text)


def test_the_reference_holds_every_command(site: Path) -> None:
    page = site / "reference" / "commands.html"
    assert headings(page, 2) == list(COMMANDS)
    text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))
    assert all(f"Usage: qctl {name} " in text for name in COMMANDS)
    assert "--stop-when-empty" in text


def schemas() -> Iterator[tuple[str, dict[str, object]]]:
    for path in sorted((ROOT / "qctl" / "schemas").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def test_the_reference_holds_every_json_shape_with_its_fields(site: Path) -> None:
    page = site / "reference" / "json.html"
    assert set(headings(page, 3)) == {name for name, _ in schemas()}
    fields = set(re.findall(r"<code>([^<]+)</code>", page.read_text(encoding="utf-8")))
    for name, schema in schemas():
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        assert set(properties) <= fields, name


@pytest.mark.parametrize(
    ("document", "line", "said"),
    [
        ("docs/top.md", "[x](nowhere.md)", "nowhere.md"),
        ("docs/top.md", "[x](../nowhere.py)", "nowhere.py"),
        ("docs/top.md", "[x](states.md#nowhere)", "#nowhere"),
        ("README.md", "[x](docs/nowhere.md)", "nowhere.md"),
        ("docs/unlisted.md", "# In no navigation", "unlisted.md"),
    ],
)
def test_a_mistake_fails_the_build(document: str, line: str, said: str, tmp_path: Path) -> None:
    for name in ("docs", "examples", "snapshots"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "mkdocs.yml"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / document).open("a", encoding="utf-8") as page:
        page.write(f"\n{line}\n")

    ended = build(tmp_path, tmp_path / "site")
    assert ended.returncode == 1, ended.stdout
    assert "Aborted with 1 warnings" in ended.stdout
    assert any(said in text for text in ended.stdout.split("WARNING")[1:])
