"""Whose jobs may run: others are not even imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcore.config import load_settings
from qcore.errors import UnknownJobClass
from qcore.jobs.classes import JobClasses
from qcore.manager import QueueManager

BODY = """
with open({here!r}, "a") as told:
    told.write(__name__ + " ")
from qcore import Job
class Does(Job):
    def handle(self): ...
"""


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that write down when they are imported, and the file in which they do."""
    told = tmp_path / "imported"
    told.touch()
    for name in ("clinic/__init__", "clinic/jobs", "clinical", "apart", "helper"):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(BODY.format(here=str(told)))
    (tmp_path / "clinic/__init__.py").write_text(BODY.format(here=str(told)) + "import helper\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield told
    for name in ("clinic", "clinic.jobs", "clinical", "apart", "helper"):
        sys.modules.pop(name, None)


def classes(**flags: object) -> JobClasses:
    return QueueManager.open(flags | {"url": "memory://"}).classes


def test_an_app_allows_its_package_and_what_it_imports(imported: Path) -> None:
    found = classes(app="clinic")
    assert imported.read_text() == "clinic helper "
    for path in ("clinic:Does", "clinic.jobs:Does", "helper:Does"):
        assert found.find(path).__name__ == "Does"
    for path in ("apart:Does", "clinical:Does"):
        with pytest.raises(UnknownJobClass, match="none of the modules whose jobs may run here") as caught:
            found.find(path)
        assert "allowed_modules" in caught.value.hint
    assert imported.read_text() == "clinic helper clinic.jobs ", "what is refused was not imported"


def test_a_list_takes_the_place_of_that(imported: Path) -> None:
    found = classes(app="clinic", allowed_modules="apart,clinic.jobs")
    assert found.find("apart:Does")
    assert found.find("clinic.jobs:Does")
    for path in ("helper:Does", "clinic:Does", "clinical:Does"):
        with pytest.raises(UnknownJobClass):
            found.find(path)
    assert "clinical" not in imported.read_text()


@pytest.mark.parametrize("flags", [{}, {"app": "clinic", "allowed_modules": "*"}])
def test_without_app_or_list_any_module_will_do(imported: Path, flags: dict[str, str]) -> None:
    assert classes(**flags).find("apart:Does")


@pytest.mark.parametrize(
    "path", ["os:system", "builtins:eval", "subprocess:Popen", "pathlib:Path", "qcore:Job", "", ":"]
)
@pytest.mark.parametrize("flags", [{}, {"app": "clinic"}, {"allowed_modules": "clinic,os,builtins"}])
def test_nothing_but_a_job_is_ever_found(imported: Path, path: str, flags: dict[str, str]) -> None:
    with pytest.raises(UnknownJobClass):
        classes(**flags).find(path)


def test_an_empty_list_in_the_environment_says_nothing() -> None:
    settings = load_settings({}, environ={"QCTL_ALLOWED_MODULES": ""})
    assert settings.allowed_modules is None
    assert load_settings({}, environ={"QCTL_ALLOWED_MODULES": "shop, mail.jobs"}).allowed_modules == (
        "shop",
        "mail.jobs",
    )
