"""Jobs for the tests of screens."""

from __future__ import annotations

import time

from qcore import Job, ShouldBeUnique


class Fails(Job):
    queue = "mail"
    max_tries = 1

    def __init__(self, kind: str = "") -> None:
        self.kind = kind

    def handle(self) -> None:
        raise (OSError("the wire is cut") if self.kind else ValueError("no such address"))


class Works(Job):
    queue = "mail"

    def handle(self) -> None: ...


class Sleeps(Job):
    queue = "slow"

    def handle(self) -> None:
        time.sleep(60)


class Alone(Job, ShouldBeUnique):
    queue = "mail"

    def handle(self) -> None: ...
