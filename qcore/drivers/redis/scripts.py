"""The Lua of each verb: read once, completed with the parts it uses, known to the server by its digest."""

from __future__ import annotations

import hashlib
import pkgutil
import re
from functools import cache
from typing import NamedTuple

from qcore.drivers.base import COMPLETED_FRESH_S, COMPLETED_KEPT, COMPLETED_KEPT_S, DROPPED_KEPT_S, FLOW_KEPT_S
from qcore.drivers.tally import OF_OUTCOME
from qcore.limits import EXACT, LATE_US, LONGEST_MARGIN_US, MARGIN, SHUT_REASON, SLOT_KEPT_US
from qcore.measures import EVER, MINUTE_US, Measure, Span

_GIVEN = {
    "$KEPT_S": COMPLETED_KEPT_S,
    "$KEPT": COMPLETED_KEPT,
    "$FRESH_S": COMPLETED_FRESH_S,
    "$FLOW_KEPT_S": FLOW_KEPT_S,
    "$DROPPED_KEPT_S": DROPPED_KEPT_S,
    "$EXACT": EXACT,
    "$MARGIN": MARGIN,
    "$LONGEST_MARGIN_US": LONGEST_MARGIN_US,
    "$LATE_US": LATE_US,
    "$SLOT_KEPT_US": SLOT_KEPT_US,
    "$SHUT_REASON": SHUT_REASON,
    "$MINUTE_US": MINUTE_US,
    "$SPANS": ", ".join(f"{{ {int(span)}, {span.kept} }}" for span in Span),
    "$OF_OUTCOME": ", ".join(f"{outcome} = {int(measure)}" for outcome, measure in OF_OUTCOME.items()),
    "$WAIT": int(Measure.WAIT),
    "$DAY": int(Span.DAY),
    "$EVER": EVER,
}
"""What the scripts have in common with the rest, by the mark that stands for it."""
_USES = re.compile(r"^-- Uses: (.+)$", re.MULTILINE)


class Script(NamedTuple):
    """What the server runs in one step."""

    name: str
    text: str
    digest: str
    """SHA-1 of the text, by which `EVALSHA` calls it."""


@cache
def script(name: str) -> Script:
    """The script of a verb, with the shared parts that its header names."""
    body = _source(f"{name}.lua")
    uses = _USES.search(body)
    parts = [_source(f"lib/{part}.lua") for part in uses.group(1).split()] if uses else []
    text = "\n".join([*parts, body])
    for mark, value in _GIVEN.items():
        text = text.replace(mark, str(value))
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _source(path: str) -> str:
    data = pkgutil.get_data(__package__, f"lua/{path}")
    return (data or b"").decode()
