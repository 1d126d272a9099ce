"""`docs/json.md` names every command that answers in JSON, its schema and its fields, as the schemas have them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from sources import ROOT

from qctl.main import COMMANDS

PAGE = ROOT / "docs" / "json.md"
SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "qctl" / "schemas").glob("*.json")
}
WITHOUT = {"supervise", "top", "dashboard", "metrics:serve", "make:workflow", "make:middleware", "make:command"}
"""Commands that show a screen, serve, or run until they are stopped; and those that answer as another one does."""
_ENVELOPE = {"$ref": "envelope.json"}
HEAD = """# JSON by command

Every command takes `--json`. The answer is an object: `schema` (name and major version), `generated_at`, `profile`,
`backend`, `data`, `next_cursor` and `warnings`; the first table tells the fields of `data`. Within a major version
fields are only added. `name[]` is a list, `name.part` a field of an object, and a name in brackets a row of the second
table that tells what is in it. The schemas are in `qctl/schemas`; every field with its type and meaning is told in the
reference that `make docs` builds from them.

A command that fails prints an `error`. `tail` prints an `event` a line, unless `--once`; `work --log json` a line for
each job. What `--json` has as `runtime` with a `p50_s` in it is a field `runtime.p50_s` in CSV and in `--format`.
"""


def page() -> str:
    """The page, from the schemas."""
    answers = {name: schema for name, schema in sorted(SCHEMAS.items()) if _ENVELOPE in schema.get("allOf", ())}
    parts = {name: schema for name, schema in sorted(SCHEMAS.items()) if name not in answers and name != "envelope"}
    lines = [HEAD, "| command | schema | fields of `data` |", "|---|---|---|"]
    lines += [_row(schema["title"], name, schema["properties"]["data"]) for name, schema in answers.items()]
    lines += ["", "| what | schema | fields |", "|---|---|---|"]
    lines += [_row(schema["title"], name, schema) for name, schema in parts.items()]
    return "\n".join(lines) + "\n"


def _row(title: str, name: str, node: Any) -> str:
    fields = dict.fromkeys(fields_of(node))
    return f"| {title} | `{name}.json` | {', '.join(fields) or 'any'} |"


def fields_of(node: Any, before: str = "") -> Iterator[str]:
    """The fields of an object, and those of the objects in it."""
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield from fields_of(_referred(node), before)
    for part in (*node.get("allOf", ()), *node.get("oneOf", ()), *node.get("anyOf", ())):
        yield from fields_of(part, before)
    for name, field in node.get("properties", {}).items():
        inner = field if isinstance(field, dict) else {}
        mark = "[]" if isinstance(inner.get("items"), dict) else ""
        below = inner["items"] if mark else inner
        named = str(below.get("$ref", "")).removesuffix(".json")
        is_part = named in SCHEMAS
        yield f"`{before}{name}{mark}`" + (f" ({named})" if is_part else "")
        if not is_part:
            yield from fields_of(below, f"{before}{name}{mark}.")


def _referred(node: dict[str, Any]) -> Any:
    return SCHEMAS.get(node["$ref"].removesuffix(".json"), {})


def test_the_page_is_what_the_schemas_say() -> None:
    if os.environ.get("SNAPSHOTS") == "renew":
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew with SNAPSHOTS=renew"


def test_every_command_is_on_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(
        re.findall(r"[a-z:]+", " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|")))
    )
    assert set(COMMANDS) - named - WITHOUT == set()
