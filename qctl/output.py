"""The one writer of stdout: tables for people, and JSON, NDJSON, CSV or tab-separated lines for programs."""

from __future__ import annotations

import io
import json
import os
import re
import string
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qctl import exits
from qctl import format as fmt
from qctl.drawing import table, value_of

if TYPE_CHECKING:
    from qctl.context import Invocation

Item = Mapping[str, Any]
"""What one line tells, as values: numbers, text, aware datetimes, lists and mappings of these."""

_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """One column of a table, and one field of a tab-separated line.

    Args:
        title: its heading.
        key: the item's key, or `key.part` of one that has parts.
        human: how a value reads in a table; None is left empty.
        style: how a value is coloured, or nothing.
        right: numbers stand to the right.
        whole: never shortened, however narrow the terminal.
    """

    title: str
    key: str
    human: Callable[[Any], str] = str
    style: Callable[[Any], str] | None = None
    right: bool = False
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a command has to say.

    Args:
        schema: name and major version of the JSON, `qctl.stats/1`.
        data: the JSON `data`.
        items: what NDJSON, CSV, tab-separated lines, names and templates list.
        item_schema: of one item in NDJSON.
        columns: of the table and of tab-separated lines.
        parts: fields that have parts, and which: CSV has a field for each, `runtime.p50_s`.
        name: the item's key that `-o name` prints.
        text: for people, instead of a table: a sentence or a page.
        headline: above the table.
        empty: said on stderr when there are no items.
        backend: the store that was asked.
        next_cursor: where the next page begins.
        warnings: said on stderr, and part of the JSON.
    """

    schema: str
    data: Any
    items: Sequence[Item] = ()
    item_schema: str = ""
    columns: Sequence[Column] = ()
    parts: Mapping[str, Sequence[str]] | None = None
    name: str = "id"
    text: str | None = None
    headline: str = ""
    empty: str = ""
    backend: Item | None = None
    next_cursor: str | None = None
    warnings: Sequence[str] = ()


def show(call: Invocation, report: Report) -> None:
    """Print a report in the format that the call asks for, or that suits the terminal.

    Raises:
        WrongUsage: a template names a field that the items do not have.
        CommandFailed: stdout is closed or full.
    """
    kind = format_of(call)
    _PRINTERS[kind](call, report)
    if kind == "json":
        return
    for warning in report.warnings:
        note(call, f"warning: {warning}", even_quiet=True)
    if not report.items and report.empty:
        note(call, report.empty)
    if report.next_cursor and kind == "table":
        note(call, f"more: --cursor {report.next_cursor}")


def format_of(call: Invocation) -> str:
    """The format in force: as asked, else a table on a terminal and tab-separated lines elsewhere."""
    if call.flags.format is not None:
        return "template"
    return call.flags.output or ("table" if is_terminal() else "plain")


def note(call: Invocation, text: str, *, even_quiet: bool = False) -> None:
    """Say something beside the data, on stderr; `--quiet` silences it."""
    if even_quiet or not call.flags.quiet:
        exits.say(fmt.printable_lines(text))


def show_logs(call: Invocation) -> None:
    """Say on stderr what the engine logs: warnings, with `-v` more; an application's own logging comes first."""
    import logging
    import traceback

    from qcore.logs import json_line

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not logging.getLogger().handlers and (line := json_line(record)) is not None:
                exits.say(line)
            elif not logging.getLogger().handlers:
                words = f"{record.levelname.lower()}: {record.getMessage()}"
                if record.exc_info and call.flags.debug:
                    words += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
                note(call, words, even_quiet=record.levelno >= logging.ERROR)

    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    engine = logging.getLogger("qcore")
    engine.handlers = [Notes()]
    engine.setLevel(logging.DEBUG if call.flags.debug else levels[min(call.flags.verbose, 2)])


def complain(call: Invocation, error: BaseException) -> exits.Exit:
    """Say why a call ended badly: a line and a hint on stderr, and with `--json` an object on stdout.

    Returns:
        The exit code to leave with.
    """
    verdict = exits.Verdict(error)
    if call.flags.debug:
        exits.say_traceback(error)
    if isinstance(error, KeyboardInterrupt):
        exits.say(fmt.printable(": ".join(["interrupted", *getattr(error, "__notes__", ())])))
        return verdict.exit_code
    message, hint = fmt.printable(verdict.message), fmt.printable(verdict.hint)
    exits.say(f"error: {message}")
    if hint:
        exits.say(f"hint: {hint}")
    if call.flags.output in {"json", "ndjson"}:
        body = {"code": verdict.code, "exit": int(verdict.exit_code), "message": verdict.message, "hint": verdict.hint}
        write(encode({"schema": "qctl.error/1", "error": body}) + "\n")
    return verdict.exit_code


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def wants_color(call: Invocation, is_watched: bool | None = None) -> bool:
    """Whether to colour: the flag, then NO_COLOR, then FORCE_COLOR, then a dumb terminal, then any terminal.

    Args:
        call: whose flags are heard.
        is_watched: whether it goes to a terminal, where that is not stdout.
    """
    if call.flags.color in {"always", "never"}:
        return call.flags.color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return os.environ.get("TERM") != "dumb" and (is_terminal() if is_watched is None else is_watched)


def wants_ascii(call: Invocation) -> bool:
    """Whether to draw with ASCII alone: asked for, or all that stdout can encode."""
    return bool(call.flags.ascii) or not _encoding().startswith("utf")


def _encoding() -> str:
    return ((sys.stdout.encoding if sys.stdout is not None else None) or "ascii").lower()


def write(text: str) -> None:
    """Write to stdout and see it off, so that a reader who left is noticed here.

    Raises:
        BrokenPipeError: the reader left.
        CommandFailed: stdout is closed or full.
    """
    if sys.stdout is None:
        raise exits.CommandFailed("cannot write: standard output is closed", exits.Exit.FAILED)
    try:
        sys.stdout.write(_encodable(text))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        let_go()
        reason = error.strerror or error
        raise exits.CommandFailed(f"cannot write to standard output: {reason}", exits.Exit.FAILED) from error


def _encodable(text: str) -> str:
    if text.isascii():
        return text
    return text.encode(_encoding(), "backslashreplace").decode(_encoding())


def let_go() -> None:
    """Give up stdout, so that what still waits in its buffer raises nothing when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def encode(value: Any, *, indent: int | None = None) -> str:
    """JSON in which no character can steer a terminal."""
    ascii_only = not _encoding().startswith("utf")
    text = json.dumps(value, default=_plain_value, ensure_ascii=ascii_only, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    return _STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _plain_value(value: Any) -> Any:
    return fmt.rfc3339(value) if isinstance(value, datetime) else str(value)


def machine(value: Any) -> str:
    """A value as a field: nothing for None, `true`, a plain number, RFC 3339, `a,b`, or JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return fmt.rfc3339(value) or ""
    if isinstance(value, Mapping | list | tuple):
        return encode(value) if isinstance(value, Mapping) or not all(map(_is_simple, value)) else _joined(value)
    return fmt.printable(str(value))


def _is_simple(value: Any) -> bool:
    """Whether it can stand between commas."""
    return isinstance(value, int | float | datetime) or (isinstance(value, str) and "," not in value)


def _joined(values: Iterable[Any]) -> str:
    return ",".join(map(machine, values))


def _show_json(call: Invocation, report: Report) -> None:
    envelope = {
        "schema": report.schema,
        "generated_at": datetime.now(UTC),
        "profile": call.profile,
        "backend": report.backend,
        "data": report.data,
        "next_cursor": report.next_cursor,
        "warnings": list(report.warnings),
    }
    write(encode(envelope, indent=2 if is_terminal() else None) + "\n")


def _show_ndjson(_call: Invocation, report: Report) -> None:
    if not report.columns:
        write(encode({"schema": report.schema, **report.data}) + "\n")
    _write_lines(encode({"schema": report.item_schema, **item}) for item in report.items)


def _show_csv(_call: Invocation, report: Report) -> None:
    import csv

    items = [_flat(item, report.parts) for item in _items_of(report)]
    page = io.StringIO()
    rows = csv.writer(page, lineterminator="\n")
    rows.writerow(items[0] if items else [column.key for column in report.columns])
    rows.writerows([machine(value) for value in item.values()] for item in items)
    write(page.getvalue())


def _show_plain(_call: Invocation, report: Report) -> None:
    if report.text is not None:
        write(fmt.printable_lines(report.text) + "\n")
        return
    _write_lines("\t".join(machine(value_of(item, column)) for column in report.columns) for item in report.items)


def _flat(item: Item, parts: Mapping[str, Sequence[str]] | None) -> Item:
    """The same, with each part of a field as a field."""
    if not parts:
        return item
    flat: dict[str, Any] = {}
    for name, value in item.items():
        flat |= {f"{name}.{part}": value and value[part] for part in parts[name]} if name in parts else {name: value}
    return flat


def _show_names(_call: Invocation, report: Report) -> None:
    _write_lines(machine(item[report.name]) for item in _items_of(report) if report.name in item)


class _Template(string.Formatter):
    """`str.format` by plain field names: no attributes, no indexes, so that a template can run nothing."""

    def get_field(self, field_name: str, _args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        if field_name not in kwargs:
            fields = ", ".join(sorted(kwargs))
            raise exits.WrongUsage(f"--format knows no field {field_name!r}", hint=f"fields: {fields}")
        return kwargs[field_name], field_name


def _show_template(call: Invocation, report: Report) -> None:
    template = (call.flags.format or "").replace("\\t", "\t").replace("\\n", "\n")
    fields = _Template()
    try:
        lines = [
            fields.vformat(template, (), {name: machine(one) for name, one in _all_fields(item, report).items()})
            for item in _items_of(report)
        ]
    except ValueError as error:
        raise exits.WrongUsage(f"--format is no template: {error}", hint="write '{id} {queue}'") from None
    _write_lines(lines)


def _all_fields(item: Item, report: Report) -> Item:
    return {**item, **_flat(item, report.parts)}


def _items_of(report: Report) -> Sequence[Item]:
    """What a report lists, or itself where it lists nothing by nature."""
    return report.items if report.columns else [report.data]


def _write_lines(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        write(text + "\n")


def _show_table(call: Invocation, report: Report) -> None:
    write(page(call, report))


def page(call: Invocation, report: Report) -> str:
    """What people read of a report: its headline, and its text or table, coloured where the call wants that."""
    head = fmt.printable_lines(report.headline) + "\n" if report.headline else ""
    if report.text is not None:
        return f"{head}{fmt.printable_lines(report.text)}\n"
    if not report.items:
        return head
    width = None if is_terminal() else _width_off_terminal()
    return head + table(report.columns, report.items, width, color=wants_color(call), ascii_only=wants_ascii(call))


def width() -> int:
    """How long a line may be: as wide as the terminal, or as COLUMNS says elsewhere."""
    import shutil

    return shutil.get_terminal_size().columns if is_terminal() else _width_off_terminal()


def _width_off_terminal() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) > 0 else 1000


_PRINTERS: dict[str, Callable[[Invocation, Report], None]] = {
    "json": _show_json,
    "ndjson": _show_ndjson,
    "csv": _show_csv,
    "plain": _show_plain,
    "name": _show_names,
    "template": _show_template,
    "table": _show_table,
}
