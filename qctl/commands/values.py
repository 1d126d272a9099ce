"""How the words of a command line become values; what cannot be read is wrong usage, in one line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from qctl import format as fmt
from qctl.exits import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta


def split(words: Iterable[str] | None) -> list[str]:
    """Names from words that may each hold several, separated by commas; each name once, in order."""
    parts = (part for word in words or () for part in parts_of(word))
    return list(dict.fromkeys(parts))


def parts_of(word: str) -> list[str]:
    """What stands between commas, in order; equal parts stay."""
    return [part.strip() for part in word.split(",") if part.strip()]


def seconds(flag: str, text: str | None) -> float | None:
    """A duration in seconds; None stays None."""
    try:
        return None if text is None else fmt.parse_duration(text)
    except ValueError as error:
        raise WrongUsage(f"{flag}: {error}") from None


def moment(flag: str, text: str | None) -> timedelta | datetime | None:
    """A delay: from now, or an instant; None stays None."""
    try:
        return None if text is None else fmt.parse_moment(text)
    except ValueError as error:
        raise WrongUsage(f"{flag}: {error}") from None


def ago(flag: str, text: str) -> float:
    """How many seconds ago that was: `2h` or `-2h`, or an ISO 8601 instant."""
    from datetime import UTC, datetime, timedelta

    found = moment(flag, text.removeprefix("-")) or timedelta(0)
    return found.total_seconds() if isinstance(found, timedelta) else (datetime.now(UTC) - found).total_seconds()


def arguments(text: str | None) -> tuple[list[Any], dict[str, Any]]:
    """A job's arguments: a JSON array gives positions, an object gives names, `-` reads either from stdin."""
    if text is None:
        return [], {}
    if text == "-":
        text = sys.stdin.read() if sys.stdin is not None else ""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise WrongUsage(
            f"the arguments are no JSON: {error}", hint="""write '["a@b.c", 3]' or '{"to": "a@b.c"}'"""
        ) from None
    if isinstance(value, dict):
        return [], value
    if isinstance(value, list):
        return value, {}
    raise WrongUsage(
        f"the arguments are {fmt.printable(text.strip()[:40])}, neither an array nor an object",
        hint=f"write '[{fmt.printable(text.strip()[:40])}]'",
    )
