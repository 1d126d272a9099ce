"""How a text looks inside others that quote it: as it is, escaped, or escaped again by what quotes those."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import codepoint2name

_TOKENS = re.compile(r"[A-Za-z0-9_]+|[\\'\"]+|.", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_]+")
"""What no escaping changes."""
_FIRST, _LAST = re.compile(r"\\+|."), re.compile(r"(?:\\+|.)\Z")
_MOST = 64
"""Characters that stand for one after six escapings. Each repetition has an end: texts may be made to cost time."""
_PERCENT = "%(?:25){0,6}"
_ESCAPES = rf"(?:\\|{_PERCENT}5[cC]){{0,{_MOST - 1}}}+"
_ESCAPED = r"(?:(?<=\\)|(?<=5[cC]))"
_HASH, _END = f"(?:#|{_PERCENT}23)", f"(?:;|{_PERCENT}3[bB])"
_ENTITY = f"(?:&|{_PERCENT}26)(?:amp{_END}){{0,6}}"
_QUOTING = (
    rf"(?:[\\'\"]|(?i:{_PERCENT}(?:22|27|5c)|{_ESCAPED}[xu]\{{?0{{0,6}}(?:22|27|5c)\}}?"
    rf"|{_ENTITY}(?:{_HASH}(?:0{{0,6}}(?:34|39|92)|x0{{0,6}}(?:22|27|5c))|quot|apos|bsol){_END}))"
)
"""A quote or a backslash. A shell writes five quotes for one, and a database two."""
_SHORT = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0", "\x1b": "e"}
_BEYOND_ASCII, _BEYOND_LATIN, _BEYOND_UTF16 = 0x80, 0x100, 0x10000
_NUMBER = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")
_SEPARATOR, _POINT = re.compile("[,._ '\u00a0\u2009\u2019\u202f]?"), re.compile("[.,]")
_Token = str | re.Pattern[str]


class Form:
    """A text that is looked for inside others, however they write it.

    Args:
        text: as it is.
        tokens: what it is made of, in order: what has one spelling, and patterns of the rest. They are made of the
            text, once they are needed, if None.
    """

    __slots__ = ("_hints", "_runs", "_tokens", "is_number", "text")

    def __init__(self, text: str, tokens: list[_Token] | None = None) -> None:
        self.text = text
        self.is_number = tokens is not None
        self._tokens = tokens
        self._runs: dict[str, int] = {}
        """What it is found by, and behind how many characters that first stands."""
        if tokens is None:
            for found in _PLAIN.finditer(text):
                self._runs.setdefault(found.group(), found.start())
        else:
            self._runs = {one: 2 * place for place, one in enumerate(tokens) if isinstance(one, str)}
        self._hints = () if self._runs else _hints(text)

    def may_be_in(self, text: str, lowered: str) -> bool:
        """Whether a text, given in small letters too, is worth a closer look."""
        if not all(run in text for run in self._runs):
            return False
        return not self._hints or any(hint in lowered for hint in self._hints)

    def places_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it begins and ends in a text, from left to right."""
        if self._tokens is None:
            self._tokens = _tokens_of(self.text)
        failed: set[tuple[int, int]] = set()
        after = 0
        for first, last in self._windows_in(text):
            start = _next(self._tokens[0], text, max(after, first))
            while 0 <= start <= last:
                end = _end(self._tokens, text, start, failed)
                if end > start:
                    yield start, end
                start = _next(self._tokens[0], text, after := max(end, start + 1))

    def _windows_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it may begin: not far before what is rarest of it in the text."""
        if not self._runs:
            yield 0, len(text)
            return
        run = min(self._runs, key=text.count)
        at = text.find(run)
        while at >= 0:
            yield at - self._runs[run] * _MOST, at
            at = text.find(run, at + 1)


def form_of_number(text: str) -> Form:
    """A number as Python prints it, its digits grouped or not, with a point or a comma."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return Form(text)
    whole, fraction = match.groups()
    first = len(whole) % 3 or 3
    tokens: list[_Token] = [whole[:first]]
    for at in range(first, len(whole), 3):
        tokens += [_SEPARATOR, whole[at : at + 3]]
    return Form(text, [*tokens, _POINT, fraction] if fraction else tokens)


def _next(token: _Token, text: str, at: int) -> int:
    if isinstance(token, str):
        return text.find(token, at)
    found = token.search(text, at)
    return -1 if found is None else found.start()


def _end(tokens: list[_Token], text: str, start: int, failed: set[tuple[int, int]]) -> int:
    """Where tokens end that follow each other from a place on; -1 if they do not. Remembers what led nowhere."""
    tried = [(0, start, _ends(tokens[0], text, start))]
    while tried:
        place, at, ends = tried[-1]
        end = next(ends, -1)
        if end < 0:
            failed.add((place, at))
            tried.pop()
        elif place + 1 == len(tokens):
            return end
        elif (place + 1, end) not in failed:
            tried.append((place + 1, end, _ends(tokens[place + 1], text, end)))
    return -1


def _ends(token: _Token, text: str, at: int) -> Iterator[int]:
    """Where a token that begins at a place may end, the longest first."""
    if isinstance(token, str):
        if text.startswith(token, at):
            yield at + len(token)
        return
    end = len(text)
    while end >= at and (found := token.match(text, at, end)) is not None:
        yield found.end()
        end = found.end() - 1


def _tokens_of(text: str) -> list[_Token]:
    tokens: list[_Token] = list(_TOKENS.findall(text))
    for place, token in enumerate(tokens):
        if not isinstance(token, str) or _PLAIN.fullmatch(token):
            continue
        if token[0] not in "\\'\"":
            tokens[place] = _letter(token)
        elif place in {0, len(tokens) - 1}:
            tokens[place] = _at_an_end(token, is_first=place == 0)
        else:
            tokens[place] = _inside(len(token))
    return tokens


@lru_cache(256)
def _inside(count: int) -> re.Pattern[str]:
    """Quotes and backslashes amid a text."""
    return re.compile(f"{_QUOTING}{{{count},{count * _MOST}}}")


@lru_cache(256)
def _at_an_end(quoting: str, *, is_first: bool) -> re.Pattern[str]:
    """Quotes and backslashes at an end of a text; what stands beyond the outermost closes a quotation."""
    found = (_FIRST if is_first else _LAST).search(quoting)
    outermost = quoting if found is None else found.group()
    own = _backslashes(len(outermost)) if outermost[0] == "\\" else _letter(outermost).pattern
    more = len(quoting) - len(outermost)
    if not more:
        return re.compile(own)
    others = f"{_QUOTING}{{{more},{more * _MOST}}}"
    return re.compile(f"{own}{others}" if is_first else f"{others}?{own}")


def _backslashes(count: int) -> str:
    coded = f"{_PERCENT}5c|{_ENTITY}(?:{_HASH}(?:0{{0,6}}92|x0{{0,6}}5c)|bsol){_END}"
    return rf"(?:\\{{{count},{count * _MOST}}}|(?i:{coded}){{{count}}})"


@lru_cache(4096)
def _letter(letter: str) -> re.Pattern[str]:
    """What may stand for one letter."""
    code = ord(letter)
    utf8 = letter.encode("utf-8", "surrogatepass")
    coded = ["".join(f"{_PERCENT}{byte:02x}" for byte in utf8)]
    escaped = [rf"[xu]\{{?0{{0,6}}{code:x}\}}?", *([_SHORT[letter]] if letter in _SHORT else [])]
    if code >= _BEYOND_ASCII:
        escaped.insert(0, _ESCAPES.join(f"x{byte:02x}" for byte in utf8))  # of two that fit, the longer comes first
        coded += [f"{_PERCENT}{code:02x}"] if code < _BEYOND_LATIN else []
    if code >= _BEYOND_UTF16:
        high, low = divmod(code - _BEYOND_UTF16, 0x400)
        escaped.append(f"u{0xD800 + high:04x}{_ESCAPES}u{0xDC00 + low:04x}")
    if letter == " ":
        coded += [r"\+", f"{_PERCENT}2b"]
    names = [codepoint2name[code]] if code in codepoint2name else ["apos"] if letter == "'" else []
    entity = f"{_ENTITY}(?:{'|'.join([f'{_HASH}(?:0{{0,6}}{code}|x0{{0,6}}{code:x})', *names])}){_END}"
    either = f"(?i:{entity}|{'|'.join(coded)}|{_ESCAPED}(?:{'|'.join(escaped)}))"
    return re.compile(f"{_ESCAPES}(?:{either}|{re.escape(letter)})", re.DOTALL)


def _hints(text: str) -> tuple[str, ...]:
    """What there is of a text in each of its spellings, in small letters: one of these."""
    letter = next((one for one in text if ord(one) >= _BEYOND_ASCII), None)
    if letter is None:
        return ()
    code = ord(letter)
    low = 0xDC00 + (code - _BEYOND_UTF16) % 0x400 if code >= _BEYOND_UTF16 else code
    last = letter.encode("utf-8", "surrogatepass")[-1]
    named = codepoint2name.get(code, "").lower()
    return tuple(filter(None, (letter.lower(), f"{code:x}", f"{low:x}", f"{last:x}", str(code), named)))
