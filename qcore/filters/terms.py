"""A filter: terms that must all hold of a job. Frozen, printed as it is read, judged row by row."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qcore.clock import parse_duration
from qcore.filters.fields import STATES, Field, Kind, field_of
from qcore.filters.values import Value

if TYPE_CHECKING:
    from qcore.monitor.snapshots import JobSnapshot

Test = Callable[["JobSnapshot", datetime], bool]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Term:
    """One thing that must hold: the field is, or is above or below, one of the values; or is not, where negated.

    Args:
        field: its full name, such as `queue` or `args.user.id`; empty for a word that may stand anywhere.
        values: of which one will do; one alone where the field is above or below it.
        op: `:`, `>`, `>=`, `<` or `<=`.
        negated: it must not hold.
    """

    field: str
    values: tuple[Value, ...]
    op: str = ":"
    negated: bool = False

    def __str__(self) -> str:
        head = f"{self.field}{self.op}" if self.field else ""
        values = [self.values[0].written(is_word=not head), *(value.written() for value in self.values[1:])]
        return f"{'-' * self.negated}{head}{','.join(values)}"

    @property
    def asks(self) -> Field:
        """Its field."""
        field = field_of(self.field)
        assert field is not None  # noqa: S101  whoever makes a term has looked it up
        return field

    @property
    def exact(self) -> frozenset[str] | None:
        """The texts of which one is asked for; None where others would do too."""
        texts = [value.exact for value in self.values]
        return None if None in texts else frozenset(text for text in texts if text is not None)

    def test(self) -> Test:
        """Make ready to judge jobs."""
        field, name, is_wanted = self.asks, self.field, not self.negated
        if field.kind.is_ordered:
            compare = OPERATORS[self.op]
            bounds = [bound_of(field.kind, value.exact or "") for value in self.values]

            def holds(job: JobSnapshot, now: datetime) -> bool:
                found = field.read(job, now, name)
                return found is not None and any(compare(found, bound(now)) for bound in bounds)
        else:
            judges = [value.judge(whole=field.kind is not Kind.TEXT) for value in self.values]

            def holds(job: JobSnapshot, now: datetime) -> bool:
                return any(judge(text) for text in field.read(job, now, name) for judge in judges)

        return lambda job, now: holds(job, now) is is_wanted


@dataclass(frozen=True)
class Filter:
    """Jobs of which all terms hold; without any, all jobs."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.terms + other.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, job: JobSnapshot, now: datetime | None = None) -> bool:
        """Whether all terms hold of a job.

        Args:
            job: with its payload, where a term needs that (`in_payload`): what was not read matches nothing.
            now: against which ages are taken; the host's clock if None.
        """
        at = now or datetime.now(UTC)
        return all(test(job, at) for test in self._tests)

    @cached_property
    def _tests(self) -> tuple[Test, ...]:
        return tuple(term.test() for term in self.terms)

    @cached_property
    def states(self) -> frozenset[str]:
        """The states that a job can be in; those terms are done with once only such jobs are read."""
        left = frozenset(STATES)
        for term in self.terms:
            if term.field == "state":
                left = left - (term.exact or set()) if term.negated else left & (term.exact or set())
        return left

    @cached_property
    def queues(self) -> frozenset[str] | None:
        """The queues that a job can be on, where terms name them; None for any."""
        return self._named("queue")

    @cached_property
    def ids(self) -> frozenset[str] | None:
        """The ids that a job can have, where terms name them; None for any."""
        return self._named("id")

    def _named(self, field: str) -> frozenset[str] | None:
        named = [term.exact for term in self.terms if term.field == field and not term.negated]
        found = [names for names in named if names is not None]
        return frozenset.intersection(*found) if found else None

    @cached_property
    def rest(self) -> Filter:
        """The terms that remain to be judged of jobs of its states and queues."""
        return Filter(tuple(term for term in self.terms if term.field != "state" and not _names_queues(term)))

    @cached_property
    def brief(self) -> Filter:
        """The terms that need no payload."""
        return Filter(tuple(term for term in self.terms if not term.asks.in_payload))

    @cached_property
    def in_payload(self) -> Filter:
        """The terms that need the payload."""
        return Filter(tuple(term for term in self.terms if term.asks.in_payload))

    def ended_since(self, now: datetime) -> datetime | None:
        """The instant before which no job that matches has ended; None where any may have."""
        bounds = [
            bound_of(Kind.INSTANT, term.values[0].exact or "")(now)
            for term in self.terms
            if term.field == "ended" and term.op in {">", ">="} and not term.negated
        ]
        return max(bounds, default=None)


def _names_queues(term: Term) -> bool:
    return term.field == "queue" and not term.negated and term.exact is not None


def bound_of(kind: Kind, text: str) -> Callable[[datetime], Any]:
    """What an ordered field is compared with, as of an instant: a number, seconds, or an instant.

    Raises:
        ValueError: the text is none, with what to write in the message.
    """
    if kind is Kind.NUMBER:
        number = _number(text)
        return lambda _now: number
    if kind is Kind.SPAN:
        seconds = parse_duration(text)
        return lambda _now: seconds
    if text[:1] in {"-", "+"} and text[1:]:
        ahead = timedelta(seconds=parse_duration(text[1:]))
        return lambda now: now + ahead if text[0] == "+" else now - ahead
    instant = _instant(text)
    return lambda _now: instant


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number:  # noqa: PLR0124  only what is no number differs from itself
        raise ValueError(f"{text!r} is no number")
    return number


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no instant; write 2027-01-31T09:00, -1h for an hour ago, or +1h") from None
