"""Calls that were held back until something has ended: each is made, whatever another one raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def make_all(calls: Iterable[Callable[[], Any]]) -> None:
    """Make calls in order; the first error is raised once all have been made, with notes of the others."""
    first: Exception | None = None
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001  a store, or a job on a sync connection, may raise anything
            if first is None:
                first = error
            else:
                first.add_note(f"also: {type(error).__name__}: {error}")
    if first is not None:
        raise first
