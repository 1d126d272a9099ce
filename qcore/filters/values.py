"""What the terms of a filter ask for: words, globs and bounded regular expressions, and how each is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

Judge = Callable[[str], bool]

PATTERN_MOST = 200
"""Characters of a regular expression."""
REPEATS_MOST = 3
"""Of a regular expression: with more, one text could keep it busy for hours."""
TEXT_MOST = 500
"""Characters of a text that a regular expression is tried on."""
_MARK = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?[a-zA-Z-]*[:=!>]|\?<[=!]|\?P<\w+>)?|[)|?*+]|\{\d*,?\d*\}", flags=re.DOTALL
)
_VERBOSE = re.compile(r"\(\?(?:#|[a-zA-Z]*x)")
_BARE_FIRST = re.compile(r'[^\s,"*~][^\s,"*]*')
_BARE_WORD = re.compile(r"[\w./@+][\w./@+-]*")
_BARE_LATER = re.compile(r'[^\s,"*]*')
_BARE_PATTERN = re.compile(r'[^\s,"]+')


@dataclass(frozen=True)
class Value:
    """One of the things that a term asks for.

    Args:
        pieces: of a text, with anything between them; a single one is the whole of it.
        is_pattern: the only piece is a regular expression.
    """

    pieces: tuple[str, ...]
    is_pattern: bool = False

    @classmethod
    def of(cls, text: str) -> Value:
        """A value as an option gives it: `*` stands for anything, whatever else it holds for itself."""
        return cls(tuple(text.split("*")))

    @property
    def exact(self) -> str | None:
        """The text that it asks for; None where several would do."""
        return self.pieces[0] if len(self.pieces) == 1 and not self.is_pattern else None

    def judge(self, *, whole: bool) -> Judge:
        """Tell which texts it fits: a `whole` text as it is written, or else a part of it in any case."""
        if self.is_pattern:
            search = compiled(self.pieces[0]).search
            return lambda text: search(text[:TEXT_MOST]) is not None
        if whole:
            return lambda text: _is_spelt(self.pieces, text)
        folded = [piece.casefold() for piece in self.pieces]
        return lambda text: _holds(folded, text.casefold())

    def written(self, *, is_word: bool = False) -> str:
        """As a filter writes it; a word that stands without a field is quoted where it could seem to have one."""
        if self.is_pattern:
            return f"~{_quoted_unless(_BARE_PATTERN, self.pieces[0])}"
        first, *later = self.pieces
        start = "" if later and not first else _quoted_unless(_BARE_WORD if is_word else _BARE_FIRST, first)
        return "*".join([start, *(_quoted_unless(_BARE_LATER, piece) for piece in later)])


@lru_cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression, ready to search with; what Python would merely warn of is let pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern)


def fault_of(pattern: str) -> str | None:
    """Why a regular expression is not taken; None where it is."""
    if len(pattern) > PATTERN_MOST:
        return f"it has more than {PATTERN_MOST} characters"
    if (fault := _endless(pattern)) is not None:
        return fault
    try:
        compiled(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None


def _endless(pattern: str) -> str | None:
    """Why it might not come to an end: what it repeats can be read in many ways."""
    if _VERBOSE.search(pattern):
        return "it holds comments"  # which would have to be told from what they comment
    groups, repeats, closed_at = [False], 0, -1  # of each open group, whether it repeats or chooses
    for found in _MARK.finditer(pattern):
        mark = found[0]
        is_repeat = mark[0] in "*+{"
        if is_repeat and found.start() == closed_at:
            return "it repeats a group that itself repeats or chooses"
        if mark[0] == "(":
            groups.append(False)
        elif mark == ")" and len(groups) > 1:
            closed_at = found.end() if groups[-1] else -1
            groups[-2:] = [groups[-2] or groups[-1]]
        elif is_repeat or mark in "|?":
            groups[-1] = True
        repeats += is_repeat
    return f"it repeats more than {REPEATS_MOST} times" if repeats > REPEATS_MOST else None


def _is_spelt(pieces: tuple[str, ...], text: str) -> bool:
    first, *later = pieces
    if not later:
        return text == first
    *middle, last = later
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    return _holds(middle, text[len(first) : len(text) - len(last)])


def _holds(pieces: Iterable[str], text: str) -> bool:
    """Whether a text holds all pieces one after the other; each is taken where it first comes, so this is quick."""
    place = 0
    for piece in pieces:
        found = text.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _quoted_unless(bare: re.Pattern[str], text: str) -> str:
    if bare.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
