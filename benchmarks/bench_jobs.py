"""A small job of three short strings, as the peers' benchmark has it."""

from __future__ import annotations

from qcore import Job


class Small(Job):
    def __init__(self, sent: str, user: str, template: str) -> None:
        self.sent, self.user, self.template = sent, user, template

    def handle(self) -> None:
        pass
