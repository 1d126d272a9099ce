"""What goes over the wire, and the scripts that read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fakes.values import completed, envelope, envelopes, failed
from fakes.worker import FakeWorker

from qcore.drivers import redis as package
from qcore.drivers.redis.scripts import script
from qcore.drivers.redis.wire import LAST_US, groups_of, settlements_of

LUA = Path(package.__file__).parent / "lua"
VERBS = sorted(path.stem for path in LUA.glob("*.lua"))


def test_what_jobs_share_travels_once() -> None:
    arguments = groups_of([*envelopes(3), *envelopes(2, "other"), envelope(tags=("a",))])
    assert arguments[0] == 3
    assert len(arguments) == 1 + 3 * 7 + 6 * 2


def test_an_id_travels_once() -> None:
    job = envelope()
    assert groups_of([job, job]) == groups_of([job])


@pytest.mark.parametrize(
    ("fields", "sign", "us"),
    [
        ({"delay_s": 1.5}, "+", 1_500_000),
        ({"delay_s": -1}, "+", 0),
        ({"due_us": 7}, "@", 7),
        ({"due_us": -7}, "@", 0),
        ({"due_us": 1 << 60}, "@", LAST_US),
    ],
)
def test_due_times_are_bounded(fields: dict[str, Any], sign: str, us: int) -> None:
    assert groups_of([envelope(**fields)])[4:6] == [sign, us]


@pytest.mark.server
def test_settlements_are_numbered_as_they_are_sent(driver: Any) -> None:
    driver.push(envelopes(4))
    one, two, three, four = FakeWorker(driver).reserve(4)
    ends = [completed(one), failed(two), completed(three), failed(four)]
    assert settlements_of(ends)[1] == [ends[0], ends[2], ends[1], ends[3]]


@pytest.mark.parametrize("verb", VERBS)
def test_every_script_has_a_header(verb: str) -> None:
    text = (LUA / f"{verb}.lua").read_text()
    header = text[: re.search(r"^[^-]", text, re.MULTILINE).start()]
    for part in ("Uses: ", "Changes: "):
        assert f"-- {part}" in header
    assert "-- ARGV: " in header


@pytest.mark.server
@pytest.mark.parametrize("verb", VERBS)
def test_every_script_is_known_by_its_digest(client: Any, verb: str) -> None:
    assert client.script_load(script(verb).text) == script(verb).digest
    assert "$" not in script(verb).text


@pytest.mark.parametrize("verb", VERBS)
def test_scripts_set_no_globals_and_name_what_they_use(verb: str) -> None:
    text = script(verb).text
    known = set(re.findall(r"local function (\w+)", text))
    called = set(re.findall(r"(?<![.\w])([a-z_]+)\(", re.sub(r"--.*|'[^']*'", "", text)))
    builtin = {
        "call",
        "ipairs",
        "next",
        "pairs",
        "tonumber",
        "unpack",
        "change",
        "and",
        "or",
        "not",
        "if",
        "in",
        "function",
    }
    parameters = set(re.findall(r"(\w+) = function", text))
    assert called <= known | builtin | parameters
