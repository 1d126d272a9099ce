"""Text into filters, or into one line that says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from qcore.errors import FilterError
from qcore.filters.fields import ALIASES, FIELDS, STATES, WORDS, Field, Kind, field_of
from qcore.filters.terms import Filter, Term, bound_of
from qcore.filters.values import Value, fault_of

TEXT_MOST = 4000
"""Characters of a filter."""
_HEAD = re.compile(r"([A-Za-z][\w$-]*(?:\.[\w$-]+)*)(!=|>=|<=|:|=|>|<)")
_WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|\S)*', flags=re.DOTALL)


def parse(text: str) -> Filter:
    """Read a filter, such as `queue:emails state:failed job:Send* tag:a,b age>5m -error:~Timeout "free text"`.

    Raises:
        FilterError: it cannot be read, or would ask what makes no sense.
    """
    if len(text) > TEXT_MOST:
        raise FilterError(f"the filter has more than {TEXT_MOST:,} characters")
    return _Reading(text).filter()


def one_of(field: str, values: Iterable[str], op: str = ":") -> Filter:
    """The filter of one option: its field is one of the values, in which `*` stands for anything.

    Raises:
        FilterError: no value was given, or one makes no sense for the field.
    """
    term = Term(field, tuple(map(Value.of, values)), op)
    if not term.values:
        raise FilterError(f"{field or 'a search'} needs a value")
    if (fault := _fault(term, term.asks)) is not None:
        raise FilterError(fault)
    return Filter((term,))


def words(*texts: str) -> Filter:
    """The filter that looks for a text, or one of several, as it is, wherever words are looked for."""
    return Filter((Term(WORDS, tuple(Value((text,)) for text in texts)),))


class _Reading:
    """One text, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def filter(self) -> Filter:
        terms = []
        while self._skip_space():
            terms.append(self._term())
        return Filter(tuple(terms))

    def _skip_space(self) -> bool:
        """Go to the next term; whether there is one."""
        while self._peek().isspace():
            self._at += 1
        return self._at < len(self._text)

    def _term(self) -> Term:
        start = self._at
        negated = self._peek() == "-"
        self._at += negated
        head = _HEAD.match(self._text, self._at)
        name, op = (self._name(head), ":" if head[2] == "=" else head[2]) if head else (WORDS, ":")
        self._at = head.end() if head else self._at
        if op == "!=":
            raise FilterError(f"no operator !=: to leave jobs out, write -{name}:", column=start + 1)
        what = head[0] if head else "-" if negated else ""
        values = [self._value(what)]
        while self._peek() == ",":
            self._at += 1
            values.append(self._value(f"the comma of {what}" if what else "the comma"))
        term = Term(name, tuple(values), op, negated)
        if (fault := _fault(term, term.asks)) is not None:
            raise FilterError(fault, column=start + 1)
        return term

    def _name(self, head: re.Match[str]) -> str:
        first, dot, rest = head[1].partition(".")
        name = f"{ALIASES.get(first, first)}{dot}{rest}"
        if field_of(name) is None:
            raise FilterError(self._unknown(head[1], first), column=self._at + 1)
        return name

    def _unknown(self, name: str, first: str) -> str:
        near = get_close_matches(first.lower(), [*FIELDS, *ALIASES], n=1)
        if near:
            return f"no field {name}: did you mean {near[0]}?"
        found = _WORD.match(self._text, self._at)
        word = found[0] if found else name
        if '"' not in word and not word.startswith(f"{name}=") and not word.removeprefix(name)[1:].isalnum():
            return f'no field {name}: to look for the text, write "{word}"'
        return f"no field {name}: there are {', '.join(FIELDS)}"

    def _value(self, after: str) -> Value:
        start = self._at
        is_pattern = self._peek() == "~"
        self._at += is_pattern
        pieces, began = [""], self._at
        while (char := self._peek()) and char != "," and not char.isspace():
            self._at += 1
            if char == '"':
                pieces[-1] += self._quoted()
            elif char == "*" and not is_pattern:
                pieces.append("")
            else:
                pieces[-1] += char
        if self._at == began:
            raise FilterError(f"nothing follows {after}{'~' * is_pattern}".rstrip(), column=start + 1)
        if is_pattern and (fault := fault_of(pieces[0])) is not None:
            raise FilterError(f"~{pieces[0][:40]} is no regular expression to search with: {fault}", column=start + 1)
        return Value(tuple(pieces), is_pattern)

    def _quoted(self) -> str:
        """What stands in quotes, where only a quote and a backslash need a backslash."""
        start, text = self._at, ""
        while (char := self._peek()) != '"':
            if not char:
                raise FilterError('a quote is not closed: write another "', column=start)
            self._at += 1
            if char == "\\" and self._peek() in {'"', "\\"}:
                char = self._peek()
                self._at += 1
            text += char
        self._at += 1
        return text

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def _fault(term: Term, field: Field) -> str | None:
    """Why a term makes no sense; None where it does."""
    if field.kind is Kind.STATE:
        return _fault_of_states(term)
    if field.kind.is_ordered:
        return _fault_of_bounds(term, field)
    if term.op != ":":
        return f"{term.field} is no number: write {term.field}: and not {term.field}{term.op}"
    return None


def _fault_of_states(term: Term) -> str | None:
    if term.op != ":" or term.exact is None:
        return "state takes names alone: state:failed,retrying"
    unknown = next((value.exact for value in term.values if value.exact not in STATES), None)
    if unknown is None:
        return None
    near = get_close_matches(unknown.lower(), STATES, n=1)
    return f"no state {unknown}: " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(STATES)}")


def _fault_of_bounds(term: Term, field: Field) -> str | None:
    if len(term.values) > 1 and term.op != ":":
        return f"{term.field}{term.op} takes one value, not {len(term.values)}"
    for value in term.values:
        if value.exact is None:
            return f"{term.field} is compared by value, without * and ~"
        try:
            bound_of(field.kind, value.exact)
        except ValueError as error:
            return f"{term.field}: {error}"
    return None
