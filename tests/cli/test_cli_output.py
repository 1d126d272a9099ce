"""One report in every format, and what decides on colour and on drawing."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from qctl import exits, output
from qctl.context import Flags, Invocation

AT = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
ITEMS: list[dict[str, Any]] = [
    {"id": "a1", "name": "Add", "at": AT, "ok": True, "more": {"b": [1]}, "none": None},
    {"id": "b2", "name": "evil\x1b[2J\tname", "at": AT, "ok": False, "more": {}, "none": None},
]
COLUMNS = (output.Column("ID", "id"), output.Column("NAME", "name"), output.Column("AT", "at"))
COLOR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE")


def report(**more: Any) -> output.Report:
    fields = {"schema": "qctl.test/1", "data": {"items": ITEMS}, "items": ITEMS, "item_schema": "qctl.test.item/1"}
    return output.Report(**{**fields, "columns": COLUMNS, **more})


def call(**flags: Any) -> Invocation:
    return Invocation(flags=Flags(**flags))


def shown(capsys: pytest.CaptureFixture[str], **flags: Any) -> str:
    output.show(call(**flags), report())
    return capsys.readouterr().out


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_it_is_tab_separated_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == ("a1\tAdd\t2026-11-24T10:20:00.000Z\nb2\tevil\\x1b[2J\\tname\t2026-11-24T10:20:00.000Z\n")


def test_json_has_one_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, output="json", profile="prod")
    value = json.loads(text)
    assert list(value) == ["schema", "generated_at", "profile", "backend", "data", "next_cursor", "warnings"]
    assert value["schema"] == "qctl.test/1"
    assert value["profile"] == "prod"
    assert value["data"]["items"][0]["at"] == "2026-11-24T10:20:00.000Z"
    assert value["data"]["items"][1]["name"] == "evil\x1b[2J\tname"
    assert "\x1b" not in text


def test_json_escapes_what_it_need_not(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(call(output="json"), report(data="\x9b\x7f\u202e é", items=(), columns=()))
    text = capsys.readouterr().out
    assert json.loads(text)["data"] == "\x9b\x7f\u202e é"
    assert "\\u009b\\u007f\\u202e é" in text


def test_ndjson_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in shown(capsys, output="ndjson").splitlines()]
    assert [line["id"] for line in lines] == ["a1", "b2"]
    assert {line["schema"] for line in lines} == {"qctl.test.item/1"}


def test_csv_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(shown(capsys, output="csv"))))
    assert rows[0] == {
        "id": "a1", "name": "Add", "at": "2026-11-24T10:20:00.000Z", "ok": "true", "more": '{"b": [1]}', "none": "",
    }  # fmt: skip


def test_names_are_for_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, output="name") == "a1\nb2\n"


def test_a_template_makes_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, format="{id}\\t{name:>5}|{ok}").splitlines()[0] == "a1\t  Add|true"


@pytest.mark.parametrize("template", ["{nope}", "{id.__class__}", "{id[0]}", "{0}", "{}"])
def test_a_template_reaches_nothing_but_fields(template: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(exits.WrongUsage, match="knows no field") as failed:
        shown(capsys, format=template)
    assert "fields: at, id" in failed.value.hint


def test_a_broken_template_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(exits.WrongUsage, match="is no template"):
        shown(capsys, format="{id")


def test_a_table_has_headings_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(capsys, output="table")
    assert table.splitlines()[0].split() == ["ID", "NAME", "AT"]
    assert "evil\\x1b[2J\\tname" in table
    assert "\x1b" not in table
    assert "─" in table


def test_a_table_can_be_drawn_with_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, output="table", ascii=True).isascii()


def test_a_table_is_coloured_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b[1m" in shown(capsys, output="table", color="always")


def test_an_id_stays_whole_on_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    columns = (output.Column("ID", "id", whole=True), output.Column("NAME", "name"))
    items = [{"id": "0192f0c1-7f1e", "name": "a long name that must give way"}]
    output.show(call(output="table"), report(items=items, columns=columns))
    assert "0192f0c1-7f1e" in capsys.readouterr().out


def test_an_empty_list_says_so_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(call(), report(items=(), empty="no jobs"))
    assert capsys.readouterr() == ("", "no jobs\n")
    output.show(call(quiet=True), report(items=(), empty="no jobs"))
    assert capsys.readouterr() == ("", "")


def test_an_empty_csv_still_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(call(output="csv"), report(items=()))
    assert capsys.readouterr().out == "id,name,at\n"


def test_warnings_and_the_next_page_stand_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(call(output="table"), report(warnings=["look\x1b here"], next_cursor="c7"))
    assert capsys.readouterr().err == "warning: look\\x1b here\nmore: --cursor c7\n"
    output.show(call(output="json"), report(warnings=["look"], next_cursor="c7"))
    seen = capsys.readouterr()
    assert seen.err == ""
    assert json.loads(seen.out)["next_cursor"] == "c7"


@pytest.mark.parametrize(
    ("flag", "environment", "expected"),
    [
        ("auto", {}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_who_decides_on_colour(
    flag: str, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in COLOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert output.wants_color(call(color=flag)) is expected


def test_a_locale_without_the_characters_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    page = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(page, encoding="ascii"))
    output.show(call(output="table"), report(items=[{"id": "日本", "name": "é", "at": AT}]))
    assert b"\\u65e5\\u672c" in page.getvalue()
    assert page.getvalue().isascii()


def test_a_closed_stdout_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(exits.CommandFailed, match="standard output is closed"):
        output.show(call(), report())
