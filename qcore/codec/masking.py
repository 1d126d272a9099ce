"""What must stay hidden, taken out of texts that others read: messages, tracebacks, notes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcore.codec.spelling import Form

MASK = "•••"
"""What stands wherever something is hidden."""
_SHORTEST = 3
"""Characters of what is looked for: two would be found in half the words there are."""
_VALUES_MOST = 20_000
"""Texts about a job with more values are hidden whole: looking for each would take longer than the job."""
_TEXT_MOST = 1 << 20
_LONGEST_SPELLING = 12
"""Characters that stand for one, as a rule."""


class Mask:
    """Replaces values wherever a text quotes them.

    A value is found as programs write it (`looks`), escaped or not (`spelling`); of a list, a dict or an object each
    part is looked for, and of a text of several lines each line: the traceback of a group indents what it quotes. What
    is below three characters, and what a text only quotes a part of, stays. Nothing is made before the first text.

    Args:
        values: that are hidden; a `Sketch` stands for an object.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        self._values = list(values)
        self._known: list[Form] | None = None
        self._hides_all = False

    def __call__(self, text: str) -> str:
        """Return the text with each hidden value masked; of a very long one, the beginning."""
        forms = self._forms() if self._known is None else self._known
        if self._hides_all:
            return MASK
        seen = text[:_TEXT_MOST]
        lowered = seen.lower()
        found = (form for form in forms if form.may_be_in(seen, lowered))
        places = sorted(place for form in found for place in form.places_in(seen))
        if len(text) <= _TEXT_MOST:
            return _without(seen, places)
        longest = max((len(form.text) for form in forms), default=0)
        kept = max(0, _TEXT_MOST - longest * _LONGEST_SPELLING)  # the cut may have gone through a value
        return _without(seen[:kept], [(start, end) for start, end in places if start < kept]) + "…"

    def _forms(self) -> list[Form]:
        from qcore.codec.looks import forms_of, leaves_of  # what hides nothing needs none of it

        forms: dict[tuple[str, bool], Form] = {}
        seen: set[tuple[type, Any]] = set()
        for leaf in (leaf for value in self._values for leaf in leaves_of(value)):
            with suppress(Exception):  # it has no hash
                if (type(leaf), leaf) in seen:
                    continue
                seen.add((type(leaf), leaf))
            forms |= {(form.text, form.is_number): form for form in forms_of(leaf) if len(form.text) >= _SHORTEST}
            if len(seen) > _VALUES_MOST:
                self._hides_all = True
                break
        self._known = list(forms.values())
        return self._known


def _without(text: str, places: list[tuple[int, int]]) -> str:
    kept: list[str] = []
    at = 0
    for start, end in places:
        if start > at or not kept:
            kept += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*kept, text[at:]])
