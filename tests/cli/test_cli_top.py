"""`qctl top` from the command line: one look for logs, what it refuses, and the commands that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shop import Schemas, Shop

from qctl.commands.showing import repeated_flags
from qctl.context import Flags, Invocation

pytestmark = pytest.mark.slow


def test_one_look_tells_how_things_move(busy: Shop) -> None:
    head, rates, *lines = busy.qctl("top", "--once").lines()
    assert head.startswith(" qctl top")
    assert re.search(r"out 0 /s .* in 0 /s", rates), "two looks tell that nothing moves"
    heading = next(line for line in lines if line.startswith("QUEUE"))
    assert {"OUT/s", "IN/s", "CLEARS"} <= set(heading.split())
    assert "TREND" not in heading


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--once", "--json"], 2, "qctl top prints text alone"),
        (["--once", "-o", "csv"], 2, "qctl top prints text alone"),
        (["--once", "--format", "{id}"], 2, "qctl top prints text alone"),
        (["--once", "--queue", "nope"], 3, "no queue 'nope'"),
        (["--queue", "default,nope"], 3, "no queue 'nope'"),
        (["--once", "--record", "shop.py"], 2, "--record shop.py: it is there, and no recording"),
    ],
)
def test_what_is_refused(words: list[str], code: int, message: str, busy: Shop) -> None:
    first, *rest = busy.qctl("top", *words, expect=code).err.splitlines()
    assert first == f"error: {message}"
    assert all(line.startswith("hint: ") for line in rest)
    assert "Jobs of a small shop" in (busy.folder / "shop.py").read_text()


def test_a_shown_command_hides_the_password_and_leads_to_the_same_store(tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    stores = "".join(f'[connections.{name}]\nurl = "redis://db/{name}"\n' for name in ("main", "bulk"))
    config.write_text(f'default = "main"\n[profile.prod]\n{stores}')
    flags = Flags(url="redis://:sesame@db/1?password=walnut", config=str(config), profile="prod")
    words = repeated_flags(Invocation(flags=flags))
    assert not any("sesame" in word or "walnut" in word for word in words)
    assert words[:4] == ["--config", str(config), "--profile", "prod"]
    assert words[4:6] == ["--url", "redis://:•••@db/1?password=•••"]
    assert words[6:] == ["--connection", "main"], "of several connections the one that is shown is named"
    several = repeated_flags(Invocation(flags=Flags(config=str(config))))
    assert several[2:] == ["--connection", "main"]


def test_several_queues_are_paused_and_go_on(busy: Shop, schemas: Schemas) -> None:
    answer = busy.qctl("pause", "default", "mail", "--for", "10m", "--json").json()
    schemas.check("pause", answer)
    assert answer["data"]["queues"] == ["default", "mail"]
    assert [queue["name"] for queue in busy.data("stats")["queues"] if queue["paused"]] == ["default", "mail"]
    assert busy.qctl("resume", "mail").out == "resumed mail\n"
    assert busy.qctl("resume", "default", "mail").out == "resumed default; mail was not paused\n"
    answer = busy.qctl("resume", "default", "mail", "--json").json()
    schemas.check("resume", answer)
    assert answer["data"] == {"queue": "default", "queues": ["default", "mail"], "paused": False, "changed": False}
    busy.qctl("pause", "default", "nope", expect=3)
    assert not any(queue["paused"] for queue in busy.data("stats")["queues"]), "nothing was done"
