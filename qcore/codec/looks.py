"""The texts that a value may be written as: what programs print of numbers, instants and bytes."""

from __future__ import annotations

import binascii
import math
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from qcore.codec.describing import Sketch, fields_of
from qcore.codec.spelling import Form, form_of_number

_DEEPEST = 100
_LEAST_CODED = 6
"""Bytes of what is looked for in Base64 or as hex digits: those of less stand in any text."""
_LARGEST_EXPONENT = 100
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_CLOCKS = ("%H:%M:%S", "%H:%M")
_PRECISIONS = ("auto", "minutes", "seconds", "milliseconds", "microseconds")


def leaves_of(value: Any, depth: int = 0) -> Iterator[Any]:
    """The values that a value is made of: of a list, a dict or an object its parts, and theirs."""
    if value is None or isinstance(value, bool) or depth > _DEEPEST:
        return
    if isinstance(value, Enum):
        yield value
    parts = _parts_of(value)
    if parts is None:
        yield value
        return
    for part in parts:
        yield from leaves_of(part, depth + 1)


def _parts_of(value: Any) -> Iterable[Any] | None:
    """What a value is made of; None of one that has no parts."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, Sketch):
        content = value.content
        return [*(content.values() if isinstance(content, dict) else [content]), _member_of(value)]
    if isinstance(value, Enum):
        return [value.name, value.value]
    names = fields_of(value)
    return None if names is None else [getattr(value, name, None) for name in names]


def forms_of(leaf: Any) -> Iterator[Form]:
    """What is looked for where a value without parts must not be seen."""
    if isinstance(leaf, bytes):
        yield from _coded(leaf)
        yield Form(leaf.decode("latin-1"))
        yield from map(Form, _lines(leaf.decode("utf-8", "replace")))
        return
    if isinstance(leaf, str) and not isinstance(leaf, Enum):
        yield from map(Form, _lines(leaf))
        yield from _coded(leaf.encode("utf-8", "surrogatepass"))
        return
    with suppress(Exception):  # its own `__str__` may raise anything, and what cannot be written stands nowhere
        yield from _printed(leaf)


def _printed(leaf: Any) -> Iterator[Form]:
    if isinstance(leaf, (int, float, Decimal)) and not isinstance(leaf, Enum):
        yield from map(form_of_number, _digits(leaf))
        return
    yield Form(str(leaf))
    yield Form(repr(leaf))
    if isinstance(leaf, datetime):
        yield from map(Form, _instants(leaf))
    elif isinstance(leaf, date):
        yield from map(Form, _dates(leaf))
    elif isinstance(leaf, time):
        yield from map(Form, [*(leaf.isoformat(each) for each in _PRECISIONS), *map(leaf.strftime, _CLOCKS)])
    elif isinstance(leaf, timedelta):
        yield from map(form_of_number, _digits(leaf.total_seconds()))
    elif isinstance(leaf, UUID):
        yield from map(Form, (leaf.hex, str(leaf).upper(), leaf.hex.upper()))


def _digits(number: float | Decimal) -> Iterator[str]:
    """A number as it is, with two decimals, and without any where it has none."""
    if isinstance(number, int):
        yield str(number)
        figures = f"{abs(number):x}"
        if len(figures) >= _LEAST_CODED:
            yield figures
            yield figures.upper()
        return
    if not math.isfinite(number):
        return
    yield str(number)
    if isinstance(number, Decimal) and abs(number.adjusted()) > _LARGEST_EXPONENT:
        return
    if isinstance(number, Decimal):
        yield f"{number:f}"
        yield str(float(number))
    if number == int(number):
        yield str(int(number))
    rounded = f"{number:.2f}"
    if float(rounded):
        yield rounded


def _instants(at: datetime) -> Iterator[str]:
    told = [at]
    if at.tzinfo is not None:
        with suppress(OverflowError):  # at an end of the calendar
            told.append(at.astimezone(UTC))
    for one in told:
        yield from (one.isoformat(between, precision) for precision in _PRECISIONS for between in "T ")
        clocks = [one.strftime(form) for form in _CLOCKS]
        yield from (f"{day}{between}{clock}" for day in _dates(one) for between in (" ", ", ") for clock in clocks)
        yield from _dates(one)
        yield one.ctime()
        yield f"{one:%a, %d %b %Y %H:%M:%S}"
        yield f"{one:%Y%m%dT%H%M%S}"
    yield from _digits(at.timestamp())


def _dates(day: date) -> Iterator[str]:
    yield f"{day:%Y-%m-%d}"
    yield from map(day.strftime, _DATES)
    yield f"{day.day} {day:%b %Y}"
    yield f"{day.day} {day:%B %Y}"
    yield f"{day:%B} {day.day}, {day.year}"


def _lines(text: str) -> Iterator[str]:
    """A text, without the blanks around it, and each of its lines: a traceback indents what it quotes."""
    yield text
    yield text.strip()
    lines = text.splitlines()
    if len(lines) > 1:
        yield from map(str.strip, lines)


def _coded(data: bytes) -> Iterator[Form]:
    """Bytes as hex digits, and in Base64 wherever they begin in what was coded."""
    if len(data) < _LEAST_CODED:
        return
    digits = binascii.hexlify(data).decode()
    yield Form(digits)
    yield Form(digits.upper())
    for before in range(3):
        coded = b64encode(bytes(before) + data).decode()[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield Form(coded)
        if "+" in coded or "/" in coded:
            yield Form(coded.replace("+", "-").replace("/", "_"))


def _member_of(sketch: Sketch) -> Any:
    """The member of an enum that a sketch stands for, where its class has been imported here; no code runs."""
    module, _, names = sketch.path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    is_enum = isinstance(found, type) and issubclass(found, Enum)
    if not is_enum or not isinstance(sketch.content, (str, int)):
        return None
    if isinstance(sketch.content, str):
        return found.__members__.get(sketch.content)
    return found._value2member_map_.get(sketch.content)
