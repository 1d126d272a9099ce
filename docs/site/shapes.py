"""The reference of the JSON that commands answer with, made from the schemas that the tests hold it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import qctl

SCHEMAS = Path(qctl.__file__).parent / "schemas"
ANSWER = "envelope"


def page() -> str:
    """A page of every schema: the answers of the commands, then what they are made of."""
    schemas = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}
    answers = {name: schema for name, schema in schemas.items() if _is_answer(schema)}
    parts = {name: schema for name, schema in schemas.items() if name not in answers and name != ANSWER}
    lines = ["# JSON shapes", "", "What `--json` prints, as the JSON schemas in `qctl/schemas` have it."]
    for heading, group in (("Around every answer", {ANSWER: schemas[ANSWER]}), ("Answers", answers), ("Parts", parts)):
        lines += ["", f"## {heading}"]
        for name, schema in group.items():
            lines += ["", f"### {name}", "", *_told(schema)]
    return "\n".join(lines) + "\n"


def _is_answer(schema: dict[str, Any]) -> bool:
    return {"$ref": f"{ANSWER}.json"} in schema.get("allOf", [])


def _told(schema: dict[str, Any]) -> Iterator[str]:
    yield f"{schema.get('title', '')}" + (f": {schema['description']}" if "description" in schema else "")
    rows = list(_rows(schema, ""))
    if rows:
        yield from ("", "| field | type | is |", "|---|---|---|", *rows)


def _rows(schema: dict[str, Any], above: str) -> Iterator[str]:
    """A row for each field of an object, and for those of the objects in it."""
    needed = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        said = field.get("description", "")
        optional = "" if name in needed or not needed else " (may be missing)"
        yield f"| `{above}{name}` | {_type(field)}{optional} | {said.replace('|', chr(92) + '|')} |"
        yield from _rows(field, f"{above}{name}.")
        yield from _rows(field.get("items", {}) if isinstance(field.get("items"), dict) else {}, f"{above}{name}[].")


def _type(field: Any) -> str:
    """The type of a field in words."""
    if not isinstance(field, dict):
        return "any"
    for key, words in _FORMS.items():
        if key in field:
            return words(field[key])
    kind = field.get("type", "any")
    if kind == "array":
        return f"array of {_type(field.get('items', {}))}"
    return kind if isinstance(kind, str) else " or ".join(kind)


def _named(reference: str) -> str:
    """A link to the shape that a reference names."""
    name = reference.removesuffix(".json")
    return f"[{name}](#{name.replace('.', '')})" if name.isidentifier() or "." in name else "object"


def _any_of(fields: list[Any]) -> str:
    return " or ".join(_type(one) for one in fields)


_FORMS: dict[str, Callable[[Any], str]] = {
    "$ref": _named,
    "const": lambda value: f"`{value}`",
    "enum": lambda values: ", ".join("null" if one is None else f"`{one}`" for one in values),
    "oneOf": _any_of,
    "anyOf": _any_of,
}
"""What a field may say in place of a type, and how that reads."""
