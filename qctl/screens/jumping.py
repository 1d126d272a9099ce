"""Where `:` leads: a name and what follows it, as k9s has it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Place = Callable[[str], object]
"""Goes somewhere, with the words that were typed behind its name."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(words: str) -> bool:
    """Whether it is the whole id of a job, batch, chain or graph."""
    return _ID.fullmatch(words) is not None


def place_named(places: Mapping[str, Place], name: str) -> Place | None:
    """The place of a name, or the first whose name begins so."""
    return places.get(name) or next((go for one, go in places.items() if name and one.startswith(name)), None)
