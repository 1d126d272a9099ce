"""`qctl tail`: what happens, as it happens."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import IO

import pytest
from shop import Schemas, Shop, command

pytestmark = pytest.mark.slow


def following(shop: Shop, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command(), "tail", "--every", "0.1s", *words],
        cwd=shop.folder,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def test_events_come_as_lines_of_json(shop: Shop, schemas: Schemas) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]")
    with following(shop, "--since", "1h") as tail:
        first = json.loads(read(tail.stdout))  # it follows from here on
        schemas.check("event", first)
        assert (first["event"], first["name"], first["attempt"]) == ("dispatched", "Add", 0)
        shop.qctl("dispatch", "shop:Boom")
        shop.qctl("work", "--stop-when-empty", "--tries", "1", "--quiet")
        seen = [json.loads(read(tail.stdout)) for _ in range(5)]
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 130
        assert "Traceback" not in (tail.stderr.read() if tail.stderr else "")
    for event in seen:
        schemas.check("event", event)
    boom = [event for event in seen if event["name"] == "Boom"]
    assert [event["event"] for event in boom] == ["dispatched", "started", "failed"]
    assert boom[-1]["error"] == "ValueError: broken"
    assert boom[-1]["runtime_s"] is not None


def test_it_ends_after_so_many_and_shows_what_is_asked_for(busy: Shop) -> None:
    words = ["--since", "1h", "--event", "failed", "--limit", "1"]
    assert json.loads(busy.qctl("tail", *words).out)["event"] == "failed"
    assert busy.qctl("tail", *words, "--format", "{name} {event}").out == "Boom failed\n"
    line = busy.qctl("tail", *words, "--queue", "mail", "-o", "table").out
    assert "FAILED" in line
    assert "ValueError: no" in line
    assert "\x1b" not in line


def test_what_happened_is_told_once(busy: Shop, schemas: Schemas) -> None:
    told = busy.qctl("tail", "--once", "--since", "1d", "--json").json()
    schemas.check("events", told)
    assert told["schema"] == "qctl.events/1"
    assert {"dispatched", "started", "completed", "failed"} == {one["event"] for one in told["data"]["events"]}
    assert told["data"]["skipped"] is False
    two = busy.qctl("tail", "--once", "--since", "1d", "--limit", "2", "--json").json()["data"]
    assert (len(two["events"]), two["skipped"]) == (2, True)
    assert two["events"] == told["data"]["events"][-2:], "the newest, oldest first"
    assert "nothing happened" in busy.qctl("tail", "--once", "--since", "1ms", "-o", "table").err


def test_a_terminal_gets_a_coloured_line(busy: Shop) -> None:
    shown, code = busy.on_terminal("tail", "--since", "1h", "--event", "completed", "-n", "1")
    assert code == 0
    assert "\x1b[32mCOMPLETED" in shown


def test_a_table_fits_80_columns(busy: Shop) -> None:
    page = busy.qctl("tail", "--once", "--since", "-1d", "-o", "table", COLUMNS="80").lines()
    assert max(map(len, page)) <= 80
    assert {"dispatched", "completed", "failed"} <= {line.split()[1] for line in page[2:]}
    assert all(re.match(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d ", line) for line in page[2:])


def test_events_are_followed(busy: Shop) -> None:
    assert json.loads(busy.qctl("events", "-f", "--since", "1h", "--limit", "1").out)["event"] == "dispatched"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--event", "exploded"], 2, "'exploded' is none of dispatched"),
        (["--every", "often"], 2, "--every"),
        (["--queue", "nowhere"], 3, "nowhere"),
        (["--url", "redis://127.0.0.1:1/0"], 4, "127.0.0.1"),
    ],
)
def test_what_makes_no_sense(shop: Shop, words: list[str], code: int, said: str) -> None:
    assert said in shop.qctl("tail", *words, expect=code).err
