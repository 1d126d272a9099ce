"""How numbers, times and foreign text look in a terminal, and how people type durations. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from qcore import clock

_MINUTE = 60.0
_HOUR = 3600.0
_DAY = 86400.0
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_STEERING = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PREFIXES = ("", "k", "M", "G", "T")
_THREE_DIGITS = 100
_STEPS = ((_DAY, _HOUR, "dh"), (_HOUR, _MINUTE, "hm"), (_MINUTE, 1.0, "ms"))
_ONE_BYTE = 0x100


def printable(text: str) -> str:
    """Make visible, as one line, what could steer a terminal: control characters become escapes.

    Covers C0, C1, DEL, lone surrogates and the marks that reorder text, so that a string out of a store can
    neither move the cursor nor forge a line.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char in _REORDERING or unicodedata.category(char) in _STEERING:
        return f"\\x{ord(char):02x}" if ord(char) < _ONE_BYTE else f"\\u{ord(char):04x}"
    return char


def printable_lines(text: str) -> str:
    """Like `printable`, but line ends stay line ends and tabs become spaces."""
    return "\n".join(printable(line) for line in text.expandtabs(4).splitlines())


def count(number: int) -> str:
    """`1204` as `1,204`."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`, `1,204 jobs`, `3 batches`."""
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun}es" if noun.endswith(("ch", "s")) else f"{number:,} {noun}s"


def rate(per_s: float) -> str:
    """Something per second: `0.2 /s`, `41 /s`, `1.2 k/s`."""
    return f"{_scaled(per_s, 1000.0)}/s"


def size(number: float) -> str:
    """Bytes, in steps of 1,024: `512 B`, `1.5 kB`, `512 MB`."""
    return f"{_scaled(number, 1024.0)}B"


def _scaled(number: float, step: float) -> str:
    index = 0
    while abs(number) >= step and index < len(_PREFIXES) - 1:
        number /= step
        index += 1
    whole = number == int(number) or abs(number) >= _THREE_DIGITS
    return f"{number:.0f} {_PREFIXES[index]}" if whole else f"{number:.1f} {_PREFIXES[index]}"


def sparkline(numbers: Sequence[int], width: int, *, ascii_only: bool = False) -> str:
    """Numbers as a line of bars, the largest the highest: `▁▂▅▇█`; what is 0 is blank.

    Args:
        numbers: oldest first; where there are more than `width`, neighbours are added up.
        width: characters at the most.
        ascii_only: draw with `. : | #`.
    """
    bars = ".:|#" if ascii_only else "▁▂▃▄▅▆▇█"
    share = -(-len(numbers) // width)
    sums = [sum(numbers[at : at + share]) for at in range(0, len(numbers), share or 1)]
    most = max(sums, default=0)
    return "".join(bars[max(0, -(-one * len(bars) // most) - 1)] if one else " " for one in sums)


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `31 ms`, `4.2 s`, `3 m 04 s`, `1 h 04 m`, `2 d 03 h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    for large, small, names in _STEPS:
        if round(seconds) >= large:
            whole = round(seconds)
            return f"{int(whole // large)} {names[0]} {int(whole % large // small):02d} {names[1]}"
    return f"{seconds:.1f} s"


def age(at: datetime | None, now: datetime) -> str:
    """How long ago an instant was, or how far ahead it is: `4.2 s ago`, `in 3 m 04 s`; empty for None."""
    if at is None:
        return ""
    passed = (now - at).total_seconds()
    return f"{duration(passed)} ago" if passed >= 0 else f"in {duration(-passed)}"


def rfc3339(at: datetime | None) -> str | None:
    """An instant for machines, UTC with milliseconds: `2026-11-24T10:20:00.123Z`; None stays None."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_time(at: datetime) -> str:
    """The time of day of an instant, where we are: `10:20:00`; with its date where that is not today's."""
    here = at.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == datetime.now(UTC).astimezone().date() else f"{here:%Y-%m-%d %H:%M:%S}"


def wrapped(line: str, indent: int, width: int) -> str:
    """A line that is too long as several, all but the first `indent` characters further right."""
    if len(line) <= width:
        return line
    import textwrap

    return textwrap.fill(
        line, width, subsequent_indent=" " * min(indent, width // 2), break_on_hyphens=False, replace_whitespace=False
    )


parse_duration = clock.parse_duration


def parse_moment(text: str) -> timedelta | datetime:
    """Read a delay: a duration, or an ISO 8601 instant (taken as local time where it names no zone).

    Raises:
        ValueError: it is neither.
    """
    try:
        return timedelta(seconds=parse_duration(text))
    except clock.TooLongError:
        raise
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither a duration (90s, 5m, 2h) nor an instant (2027-01-31T09:00)") from None
