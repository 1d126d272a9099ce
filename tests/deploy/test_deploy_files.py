"""The files of docs/deploy: systemd accepts the units, and every command in them is one that qctl takes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.store import in_ci
from jsonschema import Draft202012Validator

from qctl.main import COMMANDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
QCTL = Path(sys.executable).with_name("qctl")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

TEXT = {"type": "string", "minLength": 1}
WORDS = {"type": "array", "items": TEXT, "minItems": 1}
TIME = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}
SERVICE = {
    "type": "object",
    "properties": {
        "image": TEXT,
        "build": TEXT,
        "command": WORDS,
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "init": {"type": "boolean"},
        "env_file": WORDS,
        "environment": {"type": "object", "additionalProperties": TEXT},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"condition": {"enum": ["service_started", "service_healthy"]}},
                "additionalProperties": False,
            },
        },
        "volumes": WORDS,
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
        "stop_grace_period": TIME,
        "stop_signal": {"enum": ["SIGTERM", "SIGINT"]},
        "healthcheck": {
            "type": "object",
            "required": ["test", "interval", "timeout"],
            "properties": {
                "test": {**WORDS, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}], "minItems": 2},
                "interval": TIME,
                "timeout": TIME,
                "start_period": TIME,
                "retries": {"type": "integer", "minimum": 1},
            },
            "additionalProperties": False,
        },
    },
    "required": ["image", "restart"],
    "additionalProperties": False,
}
FILE = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "services": {"type": "object", "additionalProperties": SERVICE, "minProperties": 1},
        "volumes": {"type": "object", "additionalProperties": {"type": "object"}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["services"],
    "additionalProperties": False,
}
"""Of what compose knows, the part that is used: a key that is misspelt, or of the wrong kind, is an error."""


def of_unit(path: Path) -> dict[str, list[str]]:
    """The settings of a unit, in order, by their names."""
    settings: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


def accepted(words: list[str], tmp_path: Path) -> None:
    """See that qctl knows a command and each of its options."""
    assert words[0] in COMMANDS
    told = subprocess.run([QCTL, *words, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def analyzer() -> str:
    """What judges units; where it is missing the test is skipped, or failed in CI."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing = "systemd-analyze is not installed: apt-get install systemd"
        if in_ci():
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return program


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_units_that_nothing_judges_fail_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(outcome, match="apt-get install systemd"):
        analyzer()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    program = analyzer()
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/srv/shop/.venv/bin/qctl", str(QCTL)))  # which must be there
    told = subprocess.run([program, "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    about_it = [line for line in told.stderr.splitlines() if unit.name in line]
    assert (told.returncode, about_it) == (0, [])


def test_a_unit_with_a_mistake_is_not_accepted(tmp_path: Path) -> None:
    program = analyzer()
    copy = tmp_path / "qctl-work.service"
    copy.write_text((DEPLOY / "qctl-work.service").read_text().replace("KillMode", "KilMode"))
    told = subprocess.run([program, "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert "KilMode" in told.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_a_command_that_there_is(unit: Path, tmp_path: Path) -> None:
    [line] = of_unit(unit)["ExecStart"]
    program, *words = shlex.split(line)
    assert program == "/srv/shop/.venv/bin/qctl"
    accepted(words, tmp_path)


def test_a_worker_has_the_time_that_its_jobs_may_take() -> None:
    from qcore.worker import WorkerOptions

    [stop] = of_unit(DEPLOY / "qctl-work.service")["TimeoutStopSec"]
    assert int(stop) > WorkerOptions().grace_s + 5
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > WorkerOptions().grace_s + 5


def test_the_compose_file_has_the_form_of_one() -> None:
    Draft202012Validator.check_schema(FILE)
    Draft202012Validator(FILE).validate(json.loads(json.dumps(COMPOSE)))


def test_services_depend_on_services_and_keep_what_is_declared() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(COMPOSE["volumes"])
    assert set(COMPOSE["volumes"]) == {v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())}


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_a_service_runs_a_command_that_there_is(name: str, tmp_path: Path) -> None:
    accepted(SERVICES[name]["command"], tmp_path)


def test_the_store_keeps_what_it_acknowledged() -> None:
    words = SERVICES["redis"]["command"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.parametrize(("code", "verdict"), [(0, 0), (10, 0), (11, 1), (4, 1)])
def test_a_worker_is_well_unless_health_says_critical(code: int, verdict: int, tmp_path: Path) -> None:
    kind, line = SERVICES["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    fake = tmp_path / "qctl"
    fake.write_text(f"#!/bin/sh\nexit {code}\n")
    fake.chmod(0o755)
    ended = subprocess.run(["/bin/sh", "-c", line.replace("$$", "$")], env={"PATH": f"{tmp_path}:/bin"}, check=False)
    assert ended.returncode == verdict


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, in order."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_is_run_by_nobody_who_may_do_all() -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in dockerfile()} <= known
    [user] = [value for name, value in dockerfile() if name == "USER"]
    assert any(
        name == "RUN" and value.startswith("useradd ") and value.endswith(f" {user}") for name, value in dockerfile()
    )


def test_the_image_runs_a_command_that_there_is(tmp_path: Path) -> None:
    parts = dict(dockerfile())
    assert json.loads(parts["ENTRYPOINT"]) == ["qctl"]  # by itself, not by a shell that would swallow signals
    accepted(json.loads(parts["CMD"]), tmp_path)
    assert parts["STOPSIGNAL"] == "SIGTERM"


def test_what_the_image_copies_is_what_a_new_project_has(tmp_path: Path) -> None:
    subprocess.run([QCTL, "new", "shop"], cwd=tmp_path, check=True, capture_output=True)
    for name, value in dockerfile():
        if name == "COPY" and not value.startswith("--from="):
            assert (tmp_path / "shop" / value.split()[0]).exists()


def test_the_image_installs_extras_that_there_are() -> None:
    import tomllib

    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [install] = [value for name, value in dockerfile() if name == "RUN" and "pip install" in value]
    [extras] = re.findall(r"qctl\[([\w,]+)\]", install)
    assert set(extras.split(",")) <= set(known)
