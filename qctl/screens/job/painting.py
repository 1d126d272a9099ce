"""Tracebacks and JSON in colours. Pure; what comes from a store is made printable first."""

from __future__ import annotations

import json
import re
from typing import Any

from rich.text import Text

from qctl import format as fmt

_MOST = 100_000
"""Characters that are shown of one text."""
_FRAME = re.compile(r'(\s*File )("[^"]*")(, line )(\d+)(?:(, in )(.*))?')
_MARKER = re.compile(r"\s*[~^]+\s*")
_ERROR = re.compile(r"([A-Za-z_][\w.]*)(: .*|$)")
_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>\btrue|false|null\b)|(?P<number>-?\d[\d.eE+-]*)'
)
_STYLES = {"key": "cyan", "text": "green", "word": "magenta", "number": "yellow"}


def traceback_text(traceback: str) -> Text:
    """A traceback: where each frame is, its code, and what was raised."""
    return Text("\n").join(_line(line) for line in _cut(traceback).splitlines())


def _line(line: str) -> Text:
    if frame := _FRAME.fullmatch(line):
        head, path, middle, number, within, name = frame.groups("")
        return Text.assemble(
            (head, "dim"), (path, "cyan"), (middle, "dim"), (number, "yellow"), (within, "dim"), (name, "bold")
        )
    if _MARKER.fullmatch(line):
        return Text(line, style="red")
    if line[:1] in {" ", ""}:
        return Text(line)
    if line.startswith("Traceback ") or not (error := _ERROR.fullmatch(line)):
        return Text(line, style="dim")
    return Text.assemble((error[1], "bold red"), (error[2], "red"))


def json_text(value: Any) -> Text:
    """A value as JSON, an entry a line."""
    written = _cut(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    text = Text(written)
    for token in _TOKEN.finditer(written):
        text.stylize(_STYLES[token.lastgroup or "text"], *token.span())
    return text


def _cut(text: str) -> str:
    printable = fmt.printable_lines(text[:_MOST])
    return printable if len(text) <= _MOST else f"{printable}\n… {len(text) - _MOST:,} characters more: qctl show"
