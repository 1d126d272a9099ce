"""What must stay hidden, taken out of texts that others read: messages, tracebacks, notes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from qcore.codec.describing import Sketch

MASK = "•••"
"""What stands wherever something is hidden."""
_SHORTEST = 3
"""Characters of what is looked for: two would be found in half the words there are."""
_FORMS_MOST = 20_000
"""Texts about a job with more values are hidden whole: looking for each would take longer than the job."""
_TEXT_MOST = 1 << 20
_DEEPEST = 100


class Mask:
    """Replaces values wherever a text quotes them.

    A value is found as it prints, as `repr` and as JSON write it; of a list, a dict or an object each part is looked
    for, and of a text of several lines each line: the traceback of a group indents what it quotes. What is below three
    characters, and what a text only quotes a part of, stays.

    Args:
        values: that are hidden; a `Sketch` stands for an object.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        forms: set[str] = set()
        for form in (form for value in values for leaf in _leaves(value, 0) for form in _forms(leaf)):
            if len(form) >= _SHORTEST:
                forms.add(form)
            if len(forms) > _FORMS_MOST:
                break
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._hides_all = len(forms) > _FORMS_MOST

    def __call__(self, text: str) -> str:
        """Return the text with each hidden value masked; of a very long one, the beginning."""
        if self._hides_all:
            return MASK
        masked = text[:_TEXT_MOST]
        found = [form for form in self._forms if form in masked]
        if found:
            masked = re.sub("|".join(map(re.escape, found)), MASK, masked)
        if len(text) <= _TEXT_MOST:
            return masked
        longest = len(self._forms[0]) if self._forms else 0
        return masked[: max(0, len(masked) - longest)] + "…"  # the cut may have gone through a value


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, Sketch):
        value = value.content
    if value is None or isinstance(value, bool) or depth > _DEEPEST:
        return
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _leaves(part, depth + 1)
    else:
        yield value


def _forms(leaf: Any) -> Iterator[str]:
    """How a value looks inside a text."""
    if isinstance(leaf, bytes):
        yield from (repr(leaf)[2:-1], leaf.hex(), leaf.decode("utf-8", "replace"))
        return
    try:
        text = str(leaf)
    except ValueError:  # a whole number of more digits than Python prints: no text quotes it
        return
    yield text
    yield repr(leaf)[1:-1] if isinstance(leaf, str) else repr(leaf)
    if isinstance(leaf, str):
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.strip())
        if text.count("\n") or text.count("\r"):
            yield from map(str.strip, text.splitlines())
