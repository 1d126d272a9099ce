"""A job to see where it goes."""

from __future__ import annotations

from qcore import Job


class Note(Job):
    """Holds a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def handle(self) -> str:
        return self.word
