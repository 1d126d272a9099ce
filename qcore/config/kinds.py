"""The kinds of values that settings have: how each is checked, and read where it is text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_BALANCES = ("auto", "simple", "off")
_NICENESS = range(-20, 20)
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhd]?)")


class Kind(NamedTuple):
    """One kind of value."""

    wanted: str
    """What to write instead of a wrong one."""
    check: Callable[[Any], Any]
    """Returns the value in its final form, or raises ValueError."""
    read: Callable[[str], Any] = str
    """Turns the text of the environment into what `check` takes."""


def _text(value: Any) -> str:
    if type(value) is not str or not value.strip():
        raise ValueError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _count(value: Any) -> int:
    if _whole(value) == 0:
        raise ValueError
    return int(value)


def _nice(value: Any) -> int:
    if type(value) is not int or value not in _NICENESS:
        raise ValueError
    return value


def _balance(value: Any) -> str:
    """Read a way to balance; `false` is Horizon's word for off."""
    word = "off" if value is False else value
    if word not in _BALANCES:
        raise ValueError
    return str(word)


def _seconds(value: Any) -> float:
    if type(value) is str:
        parts = _DURATION.fullmatch(value.strip())
        if parts is None:
            raise ValueError
        return float(parts[1]) * _UNITS[parts[2]]
    if type(value) not in {int, float} or not 0 <= value < math.inf:
        raise ValueError
    return float(value)


def _positive(value: Any) -> float:
    seconds = _seconds(value)
    if seconds == 0:
        raise ValueError
    return seconds


def _switch(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _read_switch(text: str) -> bool:
    found = _SWITCHES.get(text.strip().lower())
    if found is None:
        raise ValueError
    return found


def _words(value: Any) -> tuple[str, ...]:
    parts = [part.strip() for part in value.split(",")] if type(value) is str else value
    if not isinstance(parts, (list, tuple)):
        raise TypeError
    return tuple(_text(part) for part in parts)


def _backoff(value: Any) -> float | tuple[float, ...]:
    parts = [part.strip() for part in value.split(",")] if type(value) is str else value
    if not isinstance(parts, (list, tuple)):
        return _seconds(parts)
    if not parts:
        raise ValueError
    seconds = tuple(_seconds(part) for part in parts)
    return seconds if len(seconds) > 1 else seconds[0]


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return dict(value)


def _choice(*words: str) -> Kind:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return Kind("one of " + ", ".join(words), check)


TEXT = Kind('a text, such as "default"', _text)
WHOLE = Kind("a whole number, such as 3", _whole, int)
COUNT = Kind("a whole number above 0, such as 3", _count, int)
NICE = Kind("a whole number from -20 to 19", _nice, int)
SECONDS = Kind('seconds, such as 90 or "5m"', _seconds)
POSITIVE = Kind('seconds above 0, such as 90 or "5m"', _positive)
SWITCH = Kind("true or false", _switch, _read_switch)
WORDS = Kind('a list of texts, such as "high,default"', _words)
BACKOFF = Kind('seconds, or a list of them such as "5,30,120"', _backoff)
TABLE = Kind("a table", _table)
URL = Kind("a URL, such as redis://host:6379/0", _text)
COLOR = _choice("auto", "always", "never")
FORMAT = _choice("table", "json", "ndjson", "csv", "plain", "name")
DURABILITY = _choice("normal", "full")
ON_LEASE_LOSS = _choice("finish", "stop")
BALANCE = Kind("one of " + ", ".join(_BALANCES), _balance)
STRATEGY = _choice("time", "size")
