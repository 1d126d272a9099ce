"""What somebody who mistyped may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the closest known word, ready to begin a hint; empty if none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f'did you mean "{close[0]}"? ' if close else ""
